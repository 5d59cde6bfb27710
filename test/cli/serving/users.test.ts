import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserAccounts } from "../../../cli/serving/accounts.ts";
import { hashPassword, isPassword, readUsers, writeUsers } from "../../../cli/serving/users-file.ts";
import { silentLog } from "../../../core/log.ts";
import type { Receipt } from "../../../storage/store.ts";
import { get } from "../../support/client.ts";
import { test as blackBox } from "../../support/fixtures.ts";
import { larderEnvironment, PROGRAM } from "../../support/larder.ts";
import { mustRun, runProgram } from "../../support/programs.ts";

const NOTHING_TAKEN: Receipt = {
  session: "",
  payloads: 0,
  hits: 0,
  requests: 0,
  bytes: 0,
  originBytes: 0,
  savedBytes: 0,
  seconds: 0,
};

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
        return NOTHING_TAKEN;
      },
      close: () => undefined,
    };
    const file = join(folder, "users");
    let nowMs = 0;
    const accounts = new UserAccounts(file, { ledger, clock: () => nowMs, log: silentLog });
    expect(accounts.hasUsers).toBe(false);
    writeUsers(file, new Map([["one", await hashPassword("pässword")]]));
    expect(accounts.hasUsers).toBe(true);
    const signIns = ["pässword", "wrong", "pa\u0308ssword"].map((password) => accounts.signIn("one", password));
    expect(await Promise.all(signIns)).toEqual(["1", undefined, "1"]);
    nowMs += 10 * 60_000;
    expect(await accounts.signIn("one", "pässword")).toBe("1");
    expect(await accounts.signIn("nobody", "pässword")).toBeUndefined();
    accounts.close();
    expect([opened, closed]).toEqual([["user one"], ["1"]]);
  });

  test("counts as it is now: another password, nobody any more; what cannot be read changes nothing", async () => {
    const ledger = {
      record: () => undefined,
      openSession: () => "s",
      closeSession: () => NOTHING_TAKEN,
      close: () => undefined,
    };
    const said: string[] = [];
    const log = { ...silentLog, error: (_: unknown, message: string) => void said.push(message) };
    const file = join(folder, "users");
    writeUsers(file, new Map([["one", await hashPassword("old")]]));
    const accounts = new UserAccounts(file, { ledger, clock: () => 0, log });
    expect(await accounts.signIn("one", "old")).toBe("s");
    writeUsers(file, new Map([["one", await hashPassword("new")]]));
    expect([await accounts.signIn("one", "old"), await accounts.signIn("one", "new")]).toEqual([undefined, "s"]);
    await chmod(file, 0o644);
    expect([await accounts.signIn("one", "new"), await accounts.signIn("one", "new")]).toEqual(["s", "s"]);
    expect(said).toEqual(["users cannot be read: those of before may still come in"]);
    await rm(file);
    expect([accounts.hasUsers, await accounts.signIn("one", "new")]).toEqual([false, undefined]);
  });

  blackBox("is heeded by a larder that runs", async ({ larder, origin }) => {
    origin.serve("/a", (_, response) => void response.end("a"));
    const user = (args: string[], stdin = "") =>
      mustRun(process.execPath, [PROGRAM, "user", ...args], {
        cwd: larder.folder,
        env: larderEnvironment(larder.folder),
        stdin,
      });
    const status = async (password: string): Promise<number> => {
      const credentials = `Basic ${Buffer.from(`one:${password}`).toString("base64")}`;
      return (await get(larder, `${origin.url}/a`, { "Proxy-Authorization": credentials })).status;
    };
    expect(await status("wrong")).toBe(200);
    await user(["add", "one"], "right\n");
    expect([await status("wrong"), await status("right")]).toEqual([407, 200]);
    await user(["remove", "one"]);
    expect(await status("wrong")).toBe(200);
  });
});

describe("a password that is typed", () => {
  /** `larder user add one` at a terminal of its own; each line is typed when it has been asked for. */
  async function typeAt(...lines: string[]): Promise<{ readonly shown: string; readonly code: number }> {
    const command = [process.execPath, PROGRAM, "user", "add", "one"].map((word) => `'${word}'`).join(" ");
    const terminal = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
      cwd: folder,
      env: larderEnvironment(folder),
    });
    let shown = "";
    terminal.stdout.on("data", (chunk: Buffer) => {
      shown += chunk.toString();
      if (lines.length > 0 && /: $/.test(shown)) terminal.stdin.write(lines.shift() ?? "");
    });
    const [code] = (await once(terminal, "close")) as [number];
    return { shown, code };
  }

  test("is not seen, and is asked for twice", async () => {
    const { shown, code } = await typeAt("sesame\r", "sesame\r");
    expect([shown.includes("sesame"), code]).toEqual([false, 0]);
    expect(await isPassword("sesame", readUsers(join(folder, "config/larder/users")).get("one"))).toBe(true);
    const other = await typeAt("open\r", "opne\r");
    expect([other.code, other.shown]).toEqual([2, expect.stringContaining("not the same")]);
  });

  test("can be left by Ctrl-C", async () => {
    expect((await typeAt("ses\u0003")).code).toBe(130);
    expect([...readUsers(join(folder, "config/larder/users")).keys()]).toEqual([]);
  });
});
