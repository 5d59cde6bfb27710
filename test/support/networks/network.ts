import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cleanEnvironment, type Outcome, type ProgramOptions, runProgram } from "../programs.ts";
import type { Host } from "./hosts.ts";

/** Who is no root makes the namespaces inside a user namespace, in which it is. */
const IS_ROOT = process.getuid?.() === 0;

export interface NetworkOptions {
  /** Empty, for what the network needs of files. */
  readonly folder: string;
  /** Lines of a shell that bring it up, as root of it; `lo` is up already. */
  readonly setUp: readonly string[];
  /** Name servers of resolv.conf; `larder.test` is its search domain. */
  readonly nameServers?: readonly string[];
}

/**
 * A network of a test's own, in namespaces that end with it: what happens in it the machine never sees, and the machine's
 * network is not there. Its `/etc/hosts` knows `localhost` only.
 */
export class Network {
  /** The words before a program that make it run there. */
  readonly enter: readonly string[];
  readonly #holder: ChildProcess;
  readonly #folder: string;
  readonly #running: ChildProcess[] = [];

  private constructor(holder: ChildProcess, folder: string) {
    this.#holder = holder;
    this.#folder = folder;
    const user = IS_ROOT ? [] : ["--user", "--preserve-credentials"];
    this.enter = ["nsenter", `--target=${holder.pid}`, ...user, "--net", "--mount", "--"];
  }

  static async create({ folder, setUp, nameServers = [] }: NetworkOptions): Promise<Network> {
    await writeFile(join(folder, "resolv.conf"), resolvConf(nameServers));
    await writeFile(join(folder, "hosts"), "127.0.0.1 localhost\n::1 localhost\n");
    const mounts = ["resolv.conf", "hosts"].map((file) => `mount --bind '${join(folder, file)}' /etc/${file}`);
    const script = ["set -e", "ip link set lo up", ...mounts, ...setUp, "echo up", "exec cat"].join("\n");
    const user = IS_ROOT ? [] : ["--map-root-user"];
    const holder = spawn("unshare", [...user, "--net", "--mount", "sh", "-c", script], {
      env: cleanEnvironment(folder),
      stdio: ["pipe", "pipe", "inherit"],
    });
    const network = new Network(holder, folder);
    await nextLine(holder);
    return network;
  }

  /** Of a process that is in its namespaces. */
  get pid(): number {
    return this.#holder.pid ?? 0;
  }

  /** Runs a program there to its end. */
  run(program: string, args: readonly string[], options: ProgramOptions): Promise<Outcome> {
    const [enter = "", ...words] = this.enter;
    return runProgram(enter, [...words, program, ...args], options);
  }

  /** Starts a program there; it ends with the network. @returns when it has printed its first line. */
  async start(program: string, args: readonly string[], { cwd, env }: ProgramOptions): Promise<ChildProcess> {
    const [enter = "", ...words] = this.enter;
    const child = spawn(enter, [...words, program, ...args], {
      cwd,
      env: cleanEnvironment(cwd, env),
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#running.push(child);
    await nextLine(child);
    return child;
  }

  /** Starts servers there. @returns the one process in which they are. */
  host(hosts: readonly Host[], options: ProgramOptions): Promise<ChildProcess> {
    const script = ["--import", import.meta.resolve("tsx"), join(import.meta.dirname, "hosts.ts")];
    return this.start(process.execPath, [...script, JSON.stringify(hosts)], options);
  }

  /** Programs that start from now on ask these. */
  useNameServers(addresses: readonly string[]): Promise<void> {
    return writeFile(join(this.#folder, "resolv.conf"), resolvConf(addresses));
  }

  async stop(): Promise<void> {
    for (const child of this.#running.splice(0)) await end(child);
    await end(this.#holder);
  }
}

function resolvConf(nameServers: readonly string[]): string {
  return ["search larder.test", ...nameServers.map((address) => `nameserver ${address}`), ""].join("\n");
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** The next line that a program prints. @throws when it ends instead. */
export async function nextLine(child: ChildProcess): Promise<string> {
  const { stdout } = child;
  if (stdout === null) throw new Error("it has no standard output");
  const lines = createInterface({ input: stdout });
  try {
    const ended = once(child, "exit").then(([code]) => Promise.reject(new Error(`it ended with ${code}`)));
    ended.catch(() => undefined);
    const [line] = await Promise.race([once(lines, "line"), ended]);
    return line;
  } finally {
    lines.close();
  }
}
