import { type ChildProcess, fork, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { cleanEnvironment } from "../test/support/programs.ts";

const START_MS = 15_000;
const STOP_MS = 10_000;
const ANSWER_MS = 120_000;
const POLL_MS = 20;
const LAST_WORDS = 2_000;

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The working directory; `output.log` in it gets what the program says. */
  readonly folder: string;
}

/** A program the bench has started and will end. */
export class Server {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #outputFile: string;
  readonly #ended: Promise<unknown>;

  private constructor(child: ChildProcess, outputFile: string) {
    this.#child = child;
    this.#outputFile = outputFile;
    this.pid = child.pid ?? 0;
    this.#ended = once(child, "exit");
  }

  static spawn({ program, args, env, folder }: Command): Server {
    const { outputFile, stdio } = outputTo(folder);
    return new Server(spawn(program, args, { cwd: folder, env: cleanEnvironment(folder, env), stdio }), outputFile);
  }

  /** Starts a node program that can be asked things with {@link Server.ask}. */
  static fork({ program, args, env, folder }: Command): Server {
    const { outputFile, stdio } = outputTo(folder, "ipc");
    const options = { cwd: folder, env: cleanEnvironment(folder, env), execArgv: [], stdio };
    return new Server(fork(program, [...args], options), outputFile);
  }

  /** Sends one message and waits for the one that answers it; one at a time. */
  async ask<Answer>(message: object | string): Promise<Answer> {
    this.#child.send(message);
    const answered = once(this.#child, "message", { signal: AbortSignal.timeout(ANSWER_MS) });
    const first = await Promise.race([answered, this.#ended.then(() => undefined)]);
    if (first === undefined) throw new Error(`a program ended when it was asked${await this.lastWords()}`);
    return first[0] as Answer;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Everything it has said so far. */
  output(): Promise<string> {
    return readFile(this.#outputFile, "utf8");
  }

  /** The end of what it said, to be put behind a message, when it has ended; else nothing. */
  async lastWords(): Promise<string> {
    return this.hasEnded ? `; the server ended and had said:\n${(await this.output()).slice(-LAST_WORDS)}` : "";
  }

  /**
   * Waits until `isReady` finds something.
   * @throws Error with the program's output when it ends first or takes too long
   */
  async ready<Found>(isReady: () => Promise<Found | undefined>): Promise<Found> {
    for (const deadline = performance.now() + START_MS; performance.now() < deadline; await delay(POLL_MS)) {
      if (this.hasEnded) break;
      const found = await isReady();
      if (found !== undefined) return found;
    }
    throw new Error(`the program was not ready in ${START_MS} ms${await this.lastWords()}`);
  }

  /** Asks it to end, and ends it when it does not. Idempotent. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    if (!this.hasEnded) await this.#ended;
    clearTimeout(killer);
  }
}

function outputTo(folder: string, ...more: "ipc"[]): { readonly outputFile: string; readonly stdio: StdioOptions } {
  const outputFile = `${folder}/output.log`;
  const output = openSync(outputFile, "a");
  return { outputFile, stdio: ["ignore", output, output, ...more] };
}

/** A port that is free now, for programs that cannot be told to choose one and say which. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** @returns the port once something accepts connections on it, as {@link Server.ready} asks. */
export function portIfOpen(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(port);
    });
    socket.once("error", () => resolve(undefined));
  });
}
