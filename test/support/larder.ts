import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, readlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { cleanEnvironment, type Outcome, runProgram } from "./programs.ts";

/** The program as it is shipped; `npm test` builds it first. */
export const PROGRAM = resolve(import.meta.dirname, "../../dist/cli/main.js");
const ANNOUNCEMENT = /^larder listening on (http:\/\/\S+)$/;

export interface LarderOptions {
  /** Holds everything this larder keeps: store, state, CA, control socket. It must be there. */
  readonly folder: string;
  /** PEM of roots for origins, beside the system's. */
  readonly originCa: string;
  /** More command-line arguments of `larder serve`. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Origins of the tests are on this machine; without them, nothing of it is reached. */
  readonly reachesLoopback?: boolean;
  /** The words before the program that make it run elsewhere: `Network.enter`. */
  readonly enter?: readonly string[];
}

/** One line of the log, as pino writes it. */
export type LogLine = Readonly<Record<string, unknown>>;

/** Where a larder that is told nothing else keeps its things: all of it inside the test's own folder. */
export function larderEnvironment(folder: string): Record<string, string> {
  return {
    XDG_CACHE_HOME: join(folder, "cache"),
    XDG_CONFIG_HOME: join(folder, "config"),
    XDG_RUNTIME_DIR: join(folder, "run"),
    XDG_STATE_HOME: join(folder, "state"),
  };
}

/** Runs one `larder` command to its end, with everything it keeps inside the folder. */
export async function runLarder(
  args: readonly string[],
  { folder, env = {}, enter = [] }: Pick<LarderOptions, "folder" | "env" | "enter">,
): Promise<Outcome> {
  await makeRunFolder(folder);
  const [program = "", ...words] = [...enter, process.execPath, PROGRAM, ...args];
  return runProgram(program, words, {
    cwd: folder,
    env: { ...larderEnvironment(folder), ...env },
  });
}

/** `larder serve` as a process of its own, treated as a black box. */
export class Larder {
  readonly folder: string;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  /** Every line of the log so far. */
  readonly log: LogLine[];
  readonly #process: ChildProcess;
  readonly #exited: Promise<readonly [number | null, NodeJS.Signals | null]>;

  private constructor(folder: string, { process, exited, url, log }: Started) {
    this.folder = folder;
    this.url = url;
    this.port = Number(new URL(url).port);
    this.log = log;
    this.#process = process;
    this.#exited = exited;
  }

  /** Starts the program and waits until it says where it listens. @throws with everything it said when it ends first. */
  static async start(options: LarderOptions): Promise<Larder> {
    return new Larder(options.folder, await startServe(options));
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Runs another `larder` command beside it. */
  command(...args: string[]): Promise<Outcome> {
    return runLarder(args, { folder: this.folder });
  }

  /** What the store holds under URIs that contain the text, as `larder store ls --json` tells it. */
  async stored(containing: string): Promise<readonly { readonly uri: string; readonly digest: string }[]> {
    return JSON.parse((await this.#mustSay("store", "ls", "--json", containing)).toString());
  }

  /** The counters of `larder status --json`. */
  async counters(): Promise<Readonly<Record<string, number>>> {
    return JSON.parse((await this.#mustSay("status", "--json")).toString()).counters;
  }

  /** The lines of the log with this message. */
  logged(message: string): readonly LogLine[] {
    return this.log.filter(({ msg }) => msg === message);
  }

  /** The most memory the process has held so far, in bytes. */
  async peakRssBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, "utf8");
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** Ends it as a service manager would. @throws when it does not end well, or leaves something behind. Idempotent. */
  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    const [code, signal] = await this.#exited;
    if (code !== 0) throw new Error(`larder serve ended with ${signal ?? code}\n${this.#tail()}`);
    await expectNothingLeft(this.folder);
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exited;
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  async #mustSay(...args: string[]): Promise<Buffer> {
    const { code, stdout, stderr } = await this.command(...args);
    if (code !== 0) throw new Error(`larder ${args.join(" ")}: exit ${code}\n${stderr}`);
    return stdout;
  }

  #tail(): string {
    return this.log
      .slice(-20)
      .map((line) => JSON.stringify(line))
      .join("\n");
  }
}

/** A login makes this folder; control sockets go there. */
async function makeRunFolder(folder: string): Promise<void> {
  await mkdir(join(folder, "run"), { recursive: true, mode: 0o700 });
}

interface Started {
  readonly process: ChildProcess;
  readonly exited: Promise<readonly [number | null, NodeJS.Signals | null]>;
  readonly url: string;
  readonly log: LogLine[];
}

async function startServe(options: LarderOptions): Promise<Started> {
  const { folder, originCa, flags = [], env = {}, reachesLoopback = true, enter = [] } = options;
  const loopback = reachesLoopback ? ["--allow-destination", "127.0.0.0/8", "--allow-destination", "::1/128"] : [];
  const args = ["serve", "--listen", "127.0.0.1:0", "--origin-ca", originCa, ...loopback, ...flags];
  await makeRunFolder(folder);
  const [program = "", ...words] = [...enter, process.execPath, PROGRAM, ...args];
  const child = spawn(program, words, {
    cwd: folder,
    env: cleanEnvironment(folder, { ...larderEnvironment(folder), ...env }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit").then(([code, signal]) => [code, signal] as const);
  const said: string[] = [];
  const log: LogLine[] = [];
  const url = await new Promise<string>((announce, reject) => {
    const hear = (line: string) => {
      const match = ANNOUNCEMENT.exec(line);
      if (match !== null) announce(match[1] as string);
      else if (line.startsWith("{")) log.push(JSON.parse(line) as LogLine);
      else said.push(line);
    };
    for (const input of [child.stdout, child.stderr]) createInterface({ input }).on("line", hear);
    child.once("close", (code) => reject(new Error(`larder serve ended with ${code}\n${said.join("\n")}`)));
  });
  return { process: child, exited, url, log };
}

async function expectNothingLeft(folder: string): Promise<void> {
  const staging = await unexplainedIn(join(folder, "cache/larder/staging"));
  const sockets = await readdir(join(folder, "run/larder")).catch(() => []);
  const left = [...staging.map((name) => `staging/${name}`), ...sockets, ...(await processesOf(folder))];
  if (left.length > 0) throw new Error(`larder serve ended and left behind: ${left.join(", ")}`);
}

/** Staging files without the note beside them that lets the next larder go on with a body that broke off. */
async function unexplainedIn(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => !names.includes(name.endsWith(".json") ? name.replace(/\.json$/, "") : `${name}.json`));
}

/** Programs that still run with the folder as their working directory. */
async function processesOf(folder: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => "")));
  return pids.filter((_, index) => folders[index] === folder).map((pid) => `process ${pid}`);
}
