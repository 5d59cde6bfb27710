import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { describe, expect } from "vitest";
import { readSocketAddress } from "../../../cli/serving/service-manager.ts";
import { get } from "../../support/client.ts";
import { test as base } from "../../support/fixtures.ts";
import { larderEnvironment, PROGRAM, runLarder } from "../../support/larder.ts";
import { unusedPort } from "../../support/listen.ts";
import { cleanEnvironment } from "../../support/programs.ts";

const HOLDER = resolve(import.meta.dirname, "../../support/socket-holder.py");
const SERVE = ["serve", "--allow-destination", "127.0.0.0/8"];

/** A program that a test talks to by lines. */
class Spoken {
  readonly process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(command: readonly [string, ...string[]], folder: string) {
    const [program, ...args] = command;
    const env = cleanEnvironment(folder, larderEnvironment(folder));
    this.process = spawn(program, args, { cwd: folder, env, stdio: ["pipe", "pipe", "ignore"] });
    this.#lines = createInterface(this.process.stdout)[Symbol.asyncIterator]();
  }

  say(line: string): void {
    this.process.stdin.write(`${line}\n`);
  }

  /** Resolves with the next line that fits. */
  async hear(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) throw new Error(`it ended before it said ${pattern}`);
      const match = pattern.exec(value);
      if (match !== null) return match;
    }
  }
}

const test = base.extend("speak", async ({ folder }, { onCleanup }) => {
  const started: Spoken[] = [];
  onCleanup(async () => {
    for (const { process } of started) {
      process.stdin.end();
      process.kill("SIGTERM");
      if (process.exitCode === null && process.signalCode === null) await once(process, "exit");
    }
  });
  await runLarder(["config"], { folder });
  return (...command: [string, ...string[]]): Spoken => {
    const spoken = new Spoken(command, folder);
    started.push(spoken);
    return spoken;
  };
});

describe("under socket activation", () => {
  test("a restart refuses no connection and cuts none, and the service manager is told each time", async ({
    speak,
    folder,
    authority,
    secureOrigin,
  }) => {
    secureOrigin.serve("/kept", (_, response) => {
      response.writeHead(200, { "cache-control": "max-age=600" }).end("kept");
    });
    secureOrigin.serve("/new", (_, response) => {
      response.writeHead(200, { "cache-control": "no-store" }).end("new");
    });
    const holder = speak("python3", HOLDER, process.execPath, PROGRAM, ...SERVE, "--origin-ca", authority.caFile);
    const port = Number((await holder.hear(/^holding (\d+)$/))[1]);
    holder.say("start");
    await holder.hear(/^READY=1$/);
    const ca = await readFile(join(folder, "config/larder/ca/ca.pem"), "utf8");
    let isOver = false;
    let answers = 0;
    const ask = async (path: string): Promise<void> => {
      while (!isOver) {
        const { status, body, isWhole } = await get({ port, ca }, `${secureOrigin.url}${path}`);
        expect({ status, body: body.toString(), isWhole }).toEqual({ status: 200, body: path.slice(1), isWhole: true });
        answers += 1;
      }
    };
    const clients = Promise.all(["/kept", "/new", "/kept", "/new", "/kept", "/new"].map(ask));
    for (let restarts = 0; restarts < 3; restarts++) {
      holder.say("stop");
      await holder.hear(/^ended 0$/);
      const before = answers;
      holder.say("start");
      await holder.hear(/^READY=1$/);
      while (answers < before + 20) await Promise.race([get({ port, ca }, `${secureOrigin.url}/kept`), clients]);
    }
    isOver = true;
    await clients;
    holder.say("stop");
    await holder.hear(/^ended 0$/);
  });

  test("all the sockets that systemd hands over are listened on, and no others", async ({ speak, folder, origin }) => {
    origin.serve("/", (_, response) => void response.writeHead(200, { "cache-control": "no-store" }).end("there"));
    const ports = [await unusedPort(), await unusedPort()] as const;
    const env = Object.entries(larderEnvironment(folder)).flatMap(([name, value]) => ["-E", `${name}=${value}`]);
    const sockets = ["-l", `127.0.0.1:${ports[0]}`, "-l", `127.0.0.1:${ports[1]}`];
    const larder = speak("systemd-socket-activate", ...sockets, ...env, process.execPath, PROGRAM, ...SERVE);
    // It starts the program with the first connection, which waits in the socket meanwhile.
    await waitForListener(ports[0]);
    for (const port of ports) expect((await get({ port }, `${origin.url}/`)).body.toString()).toBe("there");
    await larder.hear(new RegExp(`^larder listening on http://127\\.0\\.0\\.1:${ports[0]}$`));
    const status = JSON.parse((await runLarder(["status", "--json"], { folder })).stdout.toString());
    expect(status.listening).toEqual(ports.map((port) => `http://127.0.0.1:${port}`));
  });

  test("sockets that were meant for another process are left alone", async ({ startLarder }) => {
    const larder = await startLarder({ env: { LISTEN_FDS: "1", LISTEN_PID: "1" } });
    expect(larder.port).toBeGreaterThan(0);
  });

  test("a descriptor that is no TCP socket is refused with the cure", async ({ folder }) => {
    const script = `exec env LISTEN_PID=$$ LISTEN_FDS=1 "$0" "$@" 3</dev/null`;
    const child = spawn("sh", ["-c", script, process.execPath, PROGRAM, ...SERVE], {
      cwd: folder,
      env: cleanEnvironment(folder, larderEnvironment(folder)),
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk;
    });
    expect((await once(child, "close"))[0]).toBe(1);
    expect(said).toMatch(/^larder: (LISTEN_FAILED: descriptor 3 .*ListenStream=)/);
    await expect(stat(join(folder, "cache/larder/lock.sqlite"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

test("the kernel's table of sockets is read in the machine's byte order", () => {
  expect(readSocketAddress("0100007F:0C46")).toEqual({ host: "127.0.0.1", port: 3142 });
  expect(readSocketAddress("00000000000000000000000001000000:0050")).toEqual({ host: "::1", port: 80 });
  expect(readSocketAddress("B80D0120000000000000000001000000:0050")).toEqual({ host: "2001:db8::1", port: 80 });
});

/** Resolves when something listens there, without a connection of its own. */
async function waitForListener(port: number): Promise<void> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  while (!(await readFile("/proc/net/tcp", "latin1")).includes(`0100007F:${hex} 00000000:0000 0A`));
}
