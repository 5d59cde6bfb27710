import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm, stat } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { flipBit } from "../storage/maintenance/keeping.ts";
import { get } from "../support/client.ts";
import { bytesHandler } from "../support/files.ts";
import { test } from "../support/fixtures.ts";
import { larderEnvironment, PROGRAM, runLarder } from "../support/larder.ts";
import { noise } from "../support/noise.ts";
import { cleanEnvironment, mustRun } from "../support/programs.ts";

test("staging that somebody deletes in mid-fill costs the client nothing, and the next fill is stored", async ({
  larder,
  origin,
}) => {
  const body = noise("deleted staging", 6_000_000);
  let finish: () => void = () => undefined;
  const rest = new Promise<void>((resolve) => {
    finish = resolve;
  });
  origin.serve("/body", async (_, response) => {
    response.writeHead(200, { "Content-Length": body.length, "Cache-Control": "max-age=600", ETag: '"one"' });
    response.write(body.subarray(0, 3_000_000));
    await rest;
    response.end(body.subarray(3_000_000));
  });
  const staging = join(larder.folder, "cache/larder/staging");
  const begun = get(larder, `${origin.url}/body`);
  await expect.poll(() => larder.counters()).toMatchObject({ fillsUnderWay: 1 });
  await rm(staging, { recursive: true });
  finish();
  const answer = await begun;
  expect(answer.isWhole && answer.body.equals(body)).toBe(true);
  expect((await get(larder, `${origin.url}/body`)).body.equals(body)).toBe(true);
  await expect.poll(() => larder.stored("/body")).toMatchObject([{ digest: digestOf(body) }]);
  expect((await stat(staging)).isDirectory()).toBe(true);
});

test("a bit that flips on the disk is found by the scrub, and the client gets the right bytes", async ({
  startLarder,
  origin,
}) => {
  const body = noise("flipped", 1_500_000);
  const before = await startLarder();
  const url = `${origin.url}/body`;
  origin.serve("/body", bytesHandler(body));
  await get(before, url);
  await expect.poll(() => before.stored("/body")).toHaveLength(1);
  await before.stop();
  const digest = digestOf(body);
  await flipBit(join(before.folder, "cache/larder/blobs/sha256", digest.slice(0, 2), digest));
  const after = await startLarder({ folder: before.folder, flags: ["--scrub-every", "1ms"] });
  await expect.poll(() => after.logged("every blob was read again")).toMatchObject([{ blobs: 1, lost: 1 }]);
  expect(after.logged("a blob was lost; its entries are removed")).toMatchObject([{ code: "BLOB_CORRUPT", digest }]);
  expect((await get(after, url)).body.equals(body)).toBe(true);
  const status = JSON.parse((await after.command("status", "--json")).stdout.toString());
  expect(status.scrub).toMatchObject({ everyMs: 1, last: { blobs: 1, lost: 1, unread: 0 } });
});

test("without a descriptor left larder lives, says so, and serves again when there are some", async ({
  folder,
  origin,
}) => {
  origin.serve("/small", bytesHandler(Buffer.from("small")));
  await runLarder(["config"], { folder });
  const script = 'ulimit -n 128; exec "$0" "$@"';
  const flags = ["--listen", "127.0.0.1:0", "--allow-destination", "127.0.0.0/8"];
  const child = spawn("bash", ["-c", script, process.execPath, PROGRAM, "serve", ...flags], {
    cwd: folder,
    env: cleanEnvironment(folder, larderEnvironment(folder)),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  const idle: Socket[] = [];
  try {
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    const port = Number(new URL(line.replace(/^.* /, "")).port);
    for (let n = 0; n < 160; n++) {
      const socket = connect(port, "127.0.0.1").on("error", () => undefined);
      idle.push(socket);
      await once(socket, "connect").catch(() => undefined);
    }
    await get({ port }, `${origin.url}/small`).catch(() => undefined);
    await expect.poll(() => said).toMatch(/descriptors would run out/);
    for (const socket of idle.splice(0)) socket.destroy();
    const again = async () => {
      const { status, body } = await get({ port }, `${origin.url}/small`);
      return [status, body.toString()];
    };
    await expect.poll(again).toEqual([200, "small"]);
    expect(child.exitCode).toBe(null);
  } finally {
    for (const socket of idle) socket.destroy();
    child.kill("SIGTERM");
    expect((await once(child, "exit"))[0]).toBe(0);
  }
});

test("folders that become read-only under a running larder cost no download, are told once, and are used again when they are not", async ({
  larder,
  origin,
}) => {
  const bodies = [1, 2, 3, 4].map((n) => noise(`read-only ${n}`, n * 600_000));
  for (const [n, body] of bodies.entries()) origin.serve(`/${n}`, bytesHandler(body));
  const fetched = async (n: number): Promise<boolean> => {
    const { body, isWhole } = await get(larder, `${origin.url}/${n}`);
    return isWhole && body.equals(bodies[n] as Buffer);
  };
  expect(await fetched(0)).toBe(true);
  await expect.poll(() => larder.stored(`${origin.url}/0`)).toHaveLength(1);
  const root = join(larder.folder, "cache/larder");
  const [staging, environment] = [join(root, "staging"), join(root, "env.d")];
  const mount = (...args: string[]) => mustRun("mount", args, { cwd: larder.folder });
  const unmount = (folder: string) => mustRun("umount", [folder], { cwd: larder.folder });
  const faults = () => larder.logged("the store has a fault; downloads go on without it");
  for (const folder of [staging, environment]) {
    await mount("--bind", folder, folder);
    await mount("-o", "remount,bind,ro", folder);
  }
  try {
    for (const n of [0, 1, 2, 3, 1]) expect(await fetched(n)).toBe(true);
    expect(await larder.stored("")).toHaveLength(1);
    expect(faults()).toMatchObject([{ fault: "staging", code: "STORE_UNWRITABLE" }]);
    await unmount(staging);
    expect(await fetched(1)).toBe(true);
    await expect.poll(() => larder.stored(`${origin.url}/1`)).toHaveLength(1);
    expect(larder.logged("the store works again")).toMatchObject([{ fault: "staging" }]);
    expect(faults()).toHaveLength(1);
    process.kill(larder.pid, "SIGTERM");
    await expect.poll(() => larder.isRunning, { timeout: 20_000 }).toBe(false);
    expect(larder.logged("env.d still names this larder; `larder env remove` removes that")).toHaveLength(1);
  } finally {
    await unmount(environment);
    await rm(environment, { recursive: true });
  }
});
