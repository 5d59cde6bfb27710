import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import type { Digest } from "../../../core/digest.ts";
import { silentLog } from "../../../core/log.ts";
import { layoutOf } from "../../../storage/layout.ts";
import { openStore } from "../../../storage/open-store.ts";
import { storeBody } from "../../storage/bodies.ts";
import { fillQuickly } from "../../storage/fill-quickly.ts";
import { test as base } from "../../support/fixtures.ts";
import { larderEnvironment, PROGRAM, runLarder } from "../../support/larder.ts";
import { noise } from "../../support/noise.ts";
import { cleanEnvironment } from "../../support/programs.ts";
import { startLarderProcess } from "../process.ts";

const SERVE = ["serve", "--listen", "127.0.0.1:0", "--allow-destination", "127.0.0.0/8", "--max-bytes", "1GiB"];

interface Shelf {
  readonly rootDir: string;
  /** Runs `larder store …`. @returns the exit code, and what it said as JSON */
  say(...args: string[]): Promise<{ readonly code: number | null; readonly said: unknown; readonly stderr: string }>;
  uris(): Promise<readonly string[]>;
}

/** `test` with a store that holds what is named here: one payload of 70 kB, a wheel, and a root. */
const test = base.extend("shelf", async ({ folder }): Promise<Shelf> => {
  const rootDir = join(folder, "cache/larder");
  await fill(rootDir, {
    "https://o.test/pool/a.deb": noise("a", 70_000),
    "https://o.test/files/b.whl": noise("b", 1_000),
    "https://o.test/dists/InRelease": noise("root", 500),
  });
  const say: Shelf["say"] = async (...args) => {
    const { code, stdout, stderr } = await runLarder(["store", ...args, "--json"], { folder });
    return { code, stderr, said: stdout.length === 0 ? undefined : JSON.parse(stdout.toString()) };
  };
  const uris = async () => ((await say("ls")).said as { readonly uri: string }[]).map(({ uri }) => uri).sort();
  return { rootDir, say, uris };
});

async function fill(rootDir: string, bodies: Readonly<Record<string, Buffer>>): Promise<Digest[]> {
  const store = await openStore({ rootDir, maxBytes: 2 ** 30, clock: systemClock, log: silentLog });
  const entries = await Promise.all(Object.entries(bodies).map(([uri, body]) => storeBody(store, uri, body)));
  await store.close();
  return entries.map(({ digest }) => digest);
}

async function damage(rootDir: string, digest: Digest): Promise<void> {
  const file = layoutOf(rootDir).blobFile(digest);
  const body = await readFile(file);
  body[0] = (body[0] as number) ^ 1;
  await chmod(file, 0o644);
  await writeFile(file, body);
}

test.for(["without a larder", "through the larder that serves it"] as const)(
  "every command cares for a store %s",
  async (how, { folder, shelf: { rootDir, say, uris } }) => {
    const serve = how === "without a larder" ? undefined : startLarderProcess(SERVE, { folder });
    await serve?.said(/listening on/);
    const listed = (await say("ls", "b.whl")).said as { readonly digest: Digest }[];
    const { digest } = listed[0] as { readonly digest: Digest };
    expect(await say("pin", digest.slice(0, 12))).toMatchObject({ code: 0, said: [{ digest }] });
    expect(await say("gc", "--max-bytes", "1KiB", "--dry-run")).toMatchObject({
      code: 0,
      said: { blobs: 2, bytes: 70_500 },
    });
    expect(await uris()).toHaveLength(3);
    expect(await say("gc", "--older-than", "1h")).toMatchObject({ code: 0, said: { blobs: 0, unnamedFiles: 0 } });
    expect(await say("purge", "https://o.test/dists/**", "--dry-run")).toMatchObject({
      said: { uris: ["https://o.test/dists/InRelease"] },
    });
    expect(await say("purge", "https://o.test/dists/**")).toMatchObject({
      code: 0,
      said: { entries: 1, blobs: 1, bytes: 500 },
    });
    expect(await say("gc", "--max-bytes", "1KiB")).toMatchObject({ code: 0, said: { blobs: 1, bytes: 70_000 } });
    expect(await uris()).toEqual(["https://o.test/files/b.whl"]);
    expect(await say("unpin", "**")).toMatchObject({ code: 0, said: [{ digest }] });

    expect(await say("verify")).toMatchObject({ code: 0, said: { unrepaired: 0 } });
    await damage(rootDir, digest);
    expect(await say("verify")).toMatchObject({ code: 1, said: { unrepaired: 1 } });
    expect(await say("verify", "--repair")).toMatchObject({ code: 0, said: { unrepaired: 0 } });
    expect(await say("du")).toMatchObject({ said: { blobs: 0, entries: 0, blobBytes: 0 } });
    serve?.child.kill("SIGTERM");
    if (serve !== undefined) expect(await serve.ended).toMatchObject({ code: 0 });
  },
);

test("rebuild mends the index that verify found damaged, and nothing else has to be done", async ({
  shelf: { say, rootDir },
}) => {
  const { indexFile } = layoutOf(rootDir);
  await writeFile(indexFile, "this was an index once ".repeat(1_000));
  const verified = await say("verify");
  expect(verified).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`larder store rebuild --root ${rootDir}`),
  });
  expect(await say("rebuild")).toMatchObject({ code: 0, said: { usage: { blobs: 3, blobBytes: 71_500, entries: 0 } } });
  expect(await say("verify")).toMatchObject({ code: 0, said: { unrepaired: 0 } });
});

test("a store that was copied to another folder holds what it held, its pins too", async ({ folder, shelf }) => {
  const { rootDir, say } = shelf;
  expect(await say("pin", "**/b.whl")).toMatchObject({ code: 0 });
  const moved = join(folder, "moved");
  await cp(rootDir, moved, { recursive: true });
  const usage = (await say("du")).said as Record<string, unknown>;
  expect(await say("du", "--root", moved)).toMatchObject({ said: { ...usage, maxBytes: expect.any(Number) } });
  expect(await say("gc", "--max-bytes", "1", "--root", moved)).toMatchObject({ code: 0, said: { blobs: 2 } });
  expect(await say("ls", "--root", moved)).toMatchObject({ said: [{ uri: "https://o.test/files/b.whl" }] });
});

test("rebuild throws no sound index away, unless it is told to", async ({ shelf: { say } }) => {
  expect(await say("rebuild")).toMatchObject({ code: 2, stderr: expect.stringMatching(/is sound.*--force/) });
  expect(await say("rebuild", "--force")).toMatchObject({ code: 0, said: { usage: { blobs: 3, entries: 0 } } });
});

test("rebuild is refused while a larder serves the store", async ({ folder, shelf: { say }, onTestFinished }) => {
  const serve = startLarderProcess(SERVE, { folder });
  onTestFinished(async () => {
    serve.child.kill();
    await serve.ended;
  });
  await serve.said(/listening on/);
  expect(await say("rebuild")).toMatchObject({ code: 1, stderr: expect.stringMatching(/STORE_LOCKED.*stop it first/) });
});

test("commands say in words what they did, and what to do", async ({ folder, shelf: { rootDir } }) => {
  const lines = async (...args: string[]) => (await runLarder(["store", ...args], { folder })).stdout.toString();
  expect(await lines("purge", "o.test/**")).toMatch(/^nothing matches "o.test\/\*\*"; a pattern is about whole URIs/);
  expect(await lines("purge", "**/InRelease")).toBe("purged 1 entry, 1 blob, 500 B\n");
  expect(await lines("gc", "--max-bytes", "1", "--dry-run")).toBe("would evict 2 blobs, 69.3 KiB\n");
  const [digest] = await fill(rootDir, { "https://o.test/c": noise("c", 100) });
  await damage(rootDir, digest as Digest);
  expect(await lines("verify")).toMatch(
    /^blobs: \w{64}: .*\(condemned\)\nrows: 3 checked, all well\nblobs: 3 checked, .*, 1 wrong\n[\s\S]*1 thing to repair: larder store verify --repair\n$/,
  );
});

test("wrong usage is told, and a store that is not there is not made", async ({ folder }) => {
  const run = (...args: string[]) => runLarder(["store", ...args], { folder });
  expect(await run("gc", "--older-than", "soon")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/STORE_UNREADABLE.*no store/),
  });
  await fill(join(folder, "cache/larder"), {});
  expect(await run("gc", "--older-than", "soon")).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/--older-than.*30d/),
  });
  expect(await run("pin", "https://nowhere.test/")).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/nothing stored/),
  });
});

test("Ctrl-C in the middle ends it after the batch under way, and the store is whole", async ({
  folder,
  shelf: { say, rootDir },
}) => {
  await fillQuickly(rootDir, 2_000);
  const command = `exec "${process.execPath}" "${PROGRAM}" store gc --max-bytes 1`;
  const terminal = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    cwd: folder,
    env: cleanEnvironment(folder, { ...larderEnvironment(folder), SHELL: "/bin/sh" }),
    stdio: ["pipe", "pipe", "inherit"],
  });
  let said = "";
  terminal.stdout.on("data", (chunk: Buffer) => {
    if (said === "") terminal.stdin.write("\x03");
    said += chunk;
  });
  const [code] = await once(terminal, "close");
  expect({ code, said }).toMatchObject({ code: 130, said: expect.stringMatching(/evict: [\s\S]*interrupted/) });
  const { blobs, entries } = (await say("du")).said as { readonly blobs: number; readonly entries: number };
  expect(blobs).toBeGreaterThan(0);
  expect(blobs).toBeLessThan(2_003);
  expect(entries).toBe(blobs);
  expect(await say("verify")).toMatchObject({ code: 0, said: { unrepaired: 0 } });
});
