import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test as base, describe, expect } from "vitest";
import { findRunning } from "../../../cli/control/client.ts";
import { controlSocketPaths } from "../../../cli/control/path.ts";
import { startControlServer } from "../../../cli/control/server.ts";
import { wire } from "../../../cli/serving/wire.ts";
import { loadConfig } from "../../../cli/settings/config.ts";
import { systemClock } from "../../../core/clock.ts";
import { silentLog } from "../../../core/log.ts";

const test = base
  .extend("folder", async ({ task: _ }, { onCleanup }) => {
    const folder = await mkdtemp(join(tmpdir(), "larder-control-"));
    onCleanup(() => rm(folder, { recursive: true }));
    return folder;
  })
  .extend("env", ({ folder }) => ({
    HOME: folder,
    XDG_RUNTIME_DIR: join(folder, "run"),
  }))
  .extend("root", async ({ folder }) => {
    await mkdir(join(folder, "root"));
    return join(folder, "root");
  });

/** A whole larder in this process, with its control socket; no listener but those of its sessions. */
const withLarder = test.extend("larder", async ({ folder, env, root }, { onCleanup }) => {
  const config = loadConfig({ flags: { root }, env, workingDir: folder });
  const larder = await wire({ config, env, log: silentLog, clock: systemClock });
  const control = await startControlServer({ rootDir: root, env, service: larder, log: silentLog });
  onCleanup(async () => {
    await control.close();
    await larder.close({ drainMs: 0 });
  });
  return { ...larder, control };
});

async function clientOf(root: string, env: Readonly<Record<string, string>>) {
  const client = await findRunning(root, env);
  if (client === undefined) throw new Error("no larder answers");
  return client;
}

async function accepts(proxyUrl: string): Promise<boolean> {
  const { hostname, port } = new URL(proxyUrl);
  const socket = connect(Number(port), hostname);
  const isOpen = await once(socket, "connect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isOpen;
}

describe("a session", () => {
  withLarder("has a listener of its own until it ends with a receipt", async ({ larder, root, env }) => {
    const session = await (await clientOf(root, env)).openSession("a build");
    expect(larder.sessions.list()).toMatchObject([{ id: session.id, name: "a build" }]);
    expect(session).toMatchObject(larder.trust);
    expect(await accepts(session.proxyUrl)).toBe(true);

    expect(await session.end()).toMatchObject({ session: session.id, payloads: 0, requests: 0 });
    expect(larder.sessions.list()).toEqual([]);
    expect(await accepts(session.proxyUrl)).toBe(false);
  });

  withLarder("ends when who asked for it goes away", async ({ larder, root, env }) => {
    const session = await (await clientOf(root, env)).openSession("a build");
    session.drop();
    await larder.sessions.whenNone();
    expect(await accepts(session.proxyUrl)).toBe(false);
  });

  withLarder("two have a listener each", async ({ larder: _, root, env }) => {
    const client = await clientOf(root, env);
    const [one, other] = await Promise.all([client.openSession("one"), client.openSession("other")]);
    expect(one.proxyUrl).not.toBe(other.proxyUrl);
    await one.end();
    expect(await accepts(other.proxyUrl)).toBe(true);
    other.drop();
  });

  withLarder("that nobody opened cannot be ended", async ({ larder: _, root, env }) => {
    const session = await (await clientOf(root, env)).openSession("a build");
    await session.end();
    await expect(session.end()).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  withLarder("that was open when larder ended has no receipt", async ({ larder, root, env }) => {
    const session = await (await clientOf(root, env)).openSession("a build");
    await larder.control.close();
    await expect(session.end()).rejects.toMatchObject({ code: "NOT_RUNNING" });
  });

  withLarder("is refused by a larder that is about to end", async ({ larder, root, env }) => {
    const client = await clientOf(root, env);
    await larder.sessions.close();
    await expect(client.openSession("too late")).rejects.toMatchObject({ code: "NOT_RUNNING" });
  });
});

describe("the control socket", () => {
  withLarder("carries errors with their codes", async ({ larder: _, root, env }) => {
    const client = await clientOf(root, env);
    await expect(client.why("ftp://example.com/")).rejects.toMatchObject({
      code: "UNKNOWN_SCHEME",
      message: expect.stringContaining("ftp"),
    });
  });

  withLarder("answers what it does not know with 404", async ({ larder: _, root, env }) => {
    const [socketPath = ""] = controlSocketPaths(root, env);
    const [response] = await once(request({ socketPath, path: "/no-such", agent: false }).end(), "response");
    expect(response.statusCode).toBe(404);
    response.resume();
  });

  withLarder("goes when its larder does", async ({ larder, root, env, folder }) => {
    await larder.control.close();
    expect(await findRunning(root, env)).toBeUndefined();
    expect(await readdir(join(folder, "run/larder"))).toEqual([]);
  });

  test("belongs to the real path of a root, whatever name led to it", async ({ folder, root, env }) => {
    await symlink(root, join(folder, "link"));
    expect(controlSocketPaths(join(folder, "link"), env)).toEqual(controlSocketPaths(root, env));
    await mkdir(join(folder, "other"));
    expect(controlSocketPaths(join(folder, "other"), env)).not.toEqual(controlSocketPaths(root, env));
  });

  test("is nowhere for a root that does not exist", async ({ folder, env }) => {
    expect(controlSocketPaths(join(folder, "gone"), env)).toEqual([]);
    expect(await findRunning(join(folder, "gone"), env)).toBeUndefined();
  });

  test("never has a path longer than the system takes", async ({ root }) => {
    const env = { XDG_RUNTIME_DIR: `/tmp/${"x".repeat(100)}` };
    const paths = controlSocketPaths(root, env);
    expect(paths.length).toBeGreaterThan(0);
    for (const path of paths) expect(path.length).toBeLessThanOrEqual(107);
  });

  withLarder("is not believed in a folder that others can write to", async ({ larder: _, root, env }) => {
    const [socketPath = ""] = controlSocketPaths(root, env);
    await chmod(dirname(socketPath), 0o777);
    expect(await findRunning(root, env)).toBeUndefined();
  });

  withLarder("takes the place of one that a killed larder left", async ({ larder, root, env }) => {
    await larder.control.close();
    const [socketPath = ""] = controlSocketPaths(root, env);
    await writeFile(socketPath, "");
    const control = await startControlServer({ rootDir: root, env, service: larder, log: silentLog });
    expect(await (await clientOf(root, env)).status()).toMatchObject({ pid: process.pid, root });
    await control.close();
  });
});
