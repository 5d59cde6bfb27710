import { chmod, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserAccounts } from "../../cli/serving/accounts.ts";
import { hashPassword, isPassword, readUsers, writeUsers } from "../../cli/serving/users-file.ts";
import { larderEnvironment, PROGRAM } from "../support/larder.ts";
import { runProgram } from "../support/programs.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "larder-users-"));
  await mkdir(join(folder, "run"), { mode: 0o700 });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("the file of users", () => {
  test("is kept by larder user, for its owner only, without a password in it", async () => {
    const larder = (args: string[], stdin = "") =>
      runProgram(process.execPath, [PROGRAM, "user", ...args], { cwd: folder, env: larderEnvironment(folder), stdin });
    const file = join(folder, "config/larder/users");
    expect(await larder(["add", "one"], "secret one\n")).toMatchObject({ code: 0 });
    expect(await larder(["add", "two"], "secret two\n")).toMatchObject({ code: 0 });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, "utf8")).not.toContain("secret");
    expect(String((await larder(["list"])).stdout)).toBe("one\ntwo\n");
    expect(await larder(["remove", "one"])).toMatchObject({ code: 0 });
    expect([...readUsers(file).keys()]).toEqual(["two"]);
    expect(await isPassword("secret two", readUsers(file).get("two"))).toBe(true);
    expect(await isPassword("secret one", readUsers(file).get("two"))).toBe(false);
    expect(await larder(["remove", "one"])).toMatchObject({ code: 2 });
    expect(await larder(["add", "a:b"], "x\n")).toMatchObject({ code: 2 });
    expect(await larder(["add", "three"], "\n")).toMatchObject({ code: 2 });

    await chmod(file, 0o640);
    expect((await larder(["list"])).stderr).toContain("chmod 600");
  });

  test("gives each user one session, which ends with larder; without a file there are no accounts", async () => {
    const opened: string[] = [];
    const closed: string[] = [];
    const ledger = {
      record: () => undefined,
      openSession: (name: string) => `${opened.push(name)}`,
      closeSession: (id: string) => {
        closed.push(id);
        return {} as never;
      },
      close: () => undefined,
    };
    const file = join(folder, "users");
    let nowMs = 0;
    const options = { ledger, clock: () => nowMs };
    expect(UserAccounts.open(file, options)).toBeUndefined();
    writeUsers(file, new Map([["one", await hashPassword("pässword")]]));
    const accounts = UserAccounts.open(file, options);
    const signIns = ["pässword", "wrong", "pa\u0308ssword"].map((password) => accounts?.signIn("one", password));
    expect(await Promise.all(signIns)).toEqual(["1", undefined, "1"]);
    nowMs += 10 * 60_000;
    expect(await accounts?.signIn("one", "pässword")).toBe("1");
    expect(await accounts?.signIn("nobody", "pässword")).toBeUndefined();
    accounts?.close();
    expect([opened, closed]).toEqual([["user one"], ["1"]]);
  });
});
