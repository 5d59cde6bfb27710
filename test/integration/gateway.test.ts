import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect } from "vitest";
import { test } from "../support/fixtures.ts";
import { type Larder, larderEnvironment, PROGRAM } from "../support/larder.ts";

const QUESTION = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

function start(program: string, args: readonly string[], { folder }: Larder) {
  const child = spawn(program, args, { stdio: "pipe", env: { ...process.env, ...larderEnvironment(folder) } });
  return { child, exited: once(child, "exit") };
}

function startGateway(larder: Larder, ...args: readonly string[]) {
  return start(process.execPath, [PROGRAM, "gateway", ...args], larder);
}

async function portAnnouncedBy({ stdout }: { readonly stdout: Readable }): Promise<number> {
  const [line] = await once(createInterface({ input: stdout }), "line");
  return Number(/^larder gateway listening on 127\.0\.0\.1:(\d+)$/.exec(line)?.[1]);
}

describe("larder gateway", () => {
  test("leads to the proxy that serves this store, and ends by a signal", async ({ larder }) => {
    const { child, exited } = startGateway(larder, "--listen", "127.0.0.1:0");
    const socket = net.connect({ port: await portAnnouncedBy(child), host: "127.0.0.1" });
    socket.write(QUESTION);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 /);
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  });

  test("takes five hundred connections at once", async ({ larder }) => {
    const { child, exited } = startGateway(larder, "--listen", "127.0.0.1:0");
    const port = await portAnnouncedBy(child);
    const said = await Promise.all(
      Array.from({ length: 500 }, () => {
        const socket = net.connect({ port, host: "127.0.0.1" });
        socket.write(QUESTION);
        return text(socket);
      }),
    );
    expect(said.filter((answer) => !answer.startsWith("HTTP/1.1 200 "))).toEqual([]);
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  });

  test("goes by the override file as it is at each connection: rewritten, garbage, removed", async ({
    larder,
    startLarder,
  }) => {
    const other = await startLarder({ flags: ["--listen", "127.0.0.1:0"] });
    const file = join(larder.folder, "override");
    const flags = ["--listen", "127.0.0.1:0", "--override-file", file, "--to", `127.0.0.1:${other.port}`];
    const { child, exited } = startGateway(larder, ...flags);
    const port = await portAnnouncedBy(child);
    const fingerprint = async () => {
      const pem = await (await fetch(`http://127.0.0.1:${port}/ca.pem`, { headers: { Connection: "close" } })).text();
      return new X509Certificate(pem).fingerprint256;
    };
    const answeredBy: string[] = [];
    for (const text of [
      undefined,
      `127.0.0.1:${larder.port}\r\n`,
      "user@host/garbage\0",
      `127.0.0.1:${larder.port} # again`,
    ]) {
      if (text !== undefined) await writeFile(file, text);
      answeredBy.push(await fingerprint());
    }
    await rm(file);
    answeredBy.push(await fingerprint());
    const [byOther, byOverride] = answeredBy;
    expect(byOther).not.toBe(byOverride);
    expect(answeredBy).toEqual([byOther, byOverride, byOther, byOverride, byOther]);
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  });

  test("over stdin and stdout is one connection, and ends with it", async ({ larder }) => {
    const { child, exited } = startGateway(larder, "--stdio", "--to", `127.0.0.1:${larder.port}`);
    child.stdin.write(QUESTION);
    expect(await text(child.stdout)).toMatch(/^HTTP\/1\.1 200 /);
    child.stdin.end();
    expect(await exited).toEqual([0, null]);
  });

  test("over stdin and stdout with no proxy says so and fails", async ({ larder }) => {
    const { child, exited } = startGateway(larder, "--stdio", "--to", "127.0.0.1:1");
    const [said, [exitCode]] = await Promise.all([text(child.stderr), exited]);
    expect(said).toMatch(/NOT_RUNNING: no proxy answers: 127\.0\.0\.1:1 /);
    expect(exitCode).toBe(1);
  });

  test("ends when the process that started it has gone", async ({ larder }) => {
    const script = `"${process.execPath}" "${PROGRAM}" gateway --listen 127.0.0.1:0 & read -r _; kill -9 $$`;
    const { child: shell } = start("sh", ["-c", script], larder);
    const connected = net.connect({ port: await portAnnouncedBy(shell), host: "127.0.0.1" });
    await once(connected, "connect");
    connected.on("error", () => undefined);
    shell.stdin.write("now\n");
    await once(connected, "close");
  });
});
