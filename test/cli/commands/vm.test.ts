import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect } from "vitest";
import type { StatusReport } from "../../../cli/control/status-report.ts";
import { test as base } from "../../support/fixtures.ts";
import { type Larder, larderEnvironment, runLarder } from "../../support/larder.ts";
import { cleanEnvironment } from "../../support/programs.ts";
import { startLarderProcess } from "../process.ts";

/** Says what it was given, one argument a line, then stays until it is ended. */
const STAND_IN = `#!/bin/sh
trap 'echo told; exit 7' TERM
printf '%s\\n' "$@" "pid $$" ready
while :; do sleep 0.1; done
`;

const test = base.extend("qemu", async ({ folder }) => {
  const file = join(folder, "qemu-stand-in");
  await writeFile(file, STAND_IN, { mode: 0o755 });
  return file;
});

async function statusOf(larder: Larder): Promise<StatusReport> {
  return JSON.parse((await larder.command("status", "--json")).stdout.toString());
}

/** A guest of this larder's, by a stand-in for QEMU. */
function startVm(larder: Larder, ...args: string[]) {
  return startLarderProcess(["vm", ...args], { folder: larder.folder });
}

async function askOwnPage(port: string): Promise<string> {
  const socket = net.connect({ port: Number(port), host: "127.0.0.1" });
  socket.write("GET /healthz HTTP/1.1\r\nHost: 10.0.2.2\r\nConnection: close\r\n\r\n");
  return text(socket);
}

describe("larder vm", () => {
  test("gives QEMU its arguments and the kernel its words, in a session that ends with it", async ({
    larder,
    qemu,
  }) => {
    const vm = startVm(larder, "--session", "ci-7", "--", qemu, "-append", "quiet");
    const [, port = ""] = await vm.said(/string=http:\/\/10\.0\.2\.2:(\d+)$/m);
    await vm.said(/^quiet larder\.proxy=http:\/\/10\.0\.2\.2:\d+ larder\.ca-sha256=[0-9a-f]{64}$/m);
    await vm.said(/^user,id=larder$/m);
    await vm.said(/ready/);
    expect(await askOwnPage(port)).toMatch(/^HTTP\/1\.1 200 /);
    expect((await statusOf(larder)).sessions).toEqual([expect.objectContaining({ name: "ci-7" })]);
    vm.child.kill("SIGTERM");
    expect(await vm.ended).toMatchObject({ code: 7, stderr: expect.stringMatching(/^larder: 0 payloads, /) });
    await expect.poll(async () => (await statusOf(larder)).sessions).toEqual([]);
  });

  test("killed with no word takes QEMU along, and its session", async ({ larder, qemu }) => {
    const vm = startVm(larder, "--", qemu);
    await vm.said(/ready/);
    vm.child.kill("SIGKILL");
    // Its output ends when the last process that has it does.
    expect(await vm.ended).toMatchObject({ signal: "SIGKILL", stdout: expect.stringMatching(/told\n$/) });
    await expect.poll(async () => (await statusOf(larder)).sessions).toEqual([]);
  });

  test("ends with QEMU, whatever ends that", async ({ larder, qemu }) => {
    const vm = startVm(larder, "--", qemu);
    const [, pid] = await vm.said(/^pid (\d+)$/m);
    process.kill(Number(pid), "SIGKILL");
    expect(await vm.ended).toMatchObject({ code: 128 + 9 });
  });

  test("needs no proxy that runs: its own lives as long as the guest", async ({ folder, qemu }) => {
    const vm = startLarderProcess(["vm", "--isolated", "--", qemu], { folder });
    const [, words = ""] = await vm.said(/^user,id=larder,restrict=on,guestfwd=tcp:10\.0\.2\.100:3142-cmd:(.*)$/m);
    expect(words).toMatch(/gateway --stdio --to 127\.0\.0\.1:\d+$/);
    await vm.said(/ready/);
    vm.child.kill("SIGTERM");
    expect(await vm.ended).toMatchObject({ code: 7 });
  });

  test.for(["-nic", "--netdev", "-net"])("isolates no guest that brings %s", async (option, { folder, qemu }) => {
    const { code, stderr } = await runLarder(["vm", "--isolated", "--", qemu, option, "user"], { folder });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(new RegExp(`USAGE: ${option} gives the guest a network`)),
    ]);
  });

  test("of a program that is not there fails with 127", async ({ folder }) => {
    const { code, stderr } = await runLarder(["vm", "--", "no-such-qemu"], { folder });
    expect([code, stderr]).toEqual([127, expect.stringContaining("COMMAND_NOT_FOUND")]);
  });
});

describe("larder vm-args", () => {
  test("prints one line for a shell, which leads to the proxy that runs", async ({ larder }) => {
    const { code, stdout } = await larder.command("vm-args");
    expect(code).toBe(0);
    expect(stdout.toString()).toContain(`string=http://10.0.2.2:${larder.port} `);
    expect(stdout.toString()).toMatch(/^-netdev user,id=larder .*guest\.sh\n$/);
    const line = (await larder.command("vm-args", "--kernel-line")).stdout.toString();
    const shown = JSON.parse((await larder.command("ca", "show", "--json")).stdout.toString());
    expect(line).toBe(
      `larder.proxy=http://10.0.2.2:${larder.port} larder.ca-sha256=${shown.fingerprint256.replaceAll(":", "").toLowerCase()}\n`,
    );
  });

  test("of an isolated guest name a program that leads to packages and nothing else", async ({ larder, origin }) => {
    const { stdout } = await larder.command("vm-args", "--isolated", "--cloud-init", "seed");
    const [, gateway = ""] = /-cmd:(\S+)/.exec(stdout.toString()) ?? [];
    expect(await readFile(join(larder.folder, "seed/user-data"), "utf8")).toContain("http://10.0.2.100:3142");
    origin.serve("/a.deb", (_request, response) => void response.end("package"));
    const { host } = new URL(origin.url);
    const ask = async (request: string) => {
      const child = spawn(gateway, { env: cleanEnvironment(larder.folder, larderEnvironment(larder.folder)) });
      const ended = once(child, "exit");
      child.stdin.write(`${request} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      const answer = await text(child.stdout);
      child.stdin.end();
      await ended;
      return answer;
    };
    expect(await ask(`GET ${origin.url}/a.deb`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(await ask("GET http://192.168.1.1/")).toMatch(/^HTTP\/1\.1 403 /);
  });

  test("need a proxy that runs", async ({ folder }) => {
    const { code, stderr } = await runLarder(["vm-args"], { folder });
    expect([code, stderr]).toEqual([1, expect.stringContaining("NOT_RUNNING")]);
  });
});
