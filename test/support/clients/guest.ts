import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { larderEnvironment, PROGRAM } from "../larder.ts";
import { cleanEnvironment, mustRun } from "../programs.ts";
import type { GuestParts } from "./guest-parts.ts";

/** What every script begins with: the guest's surroundings, and how it tells something to the test. */
const PREAMBLE = `exec </dev/null
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
say() { printf '\\n@%s: %s\\n' "$1" "$2"; }
trap 'say ended "$?"; echo o >/proc/sysrq-trigger; while :; do sleep 1; done' EXIT
`;
const SAID = /^@(\w+): (.*)$/;

export interface GuestOptions {
  readonly parts: GuestParts;
  /** For what is made for this guest alone; it must be there. */
  readonly folder: string;
  /** For the guest's sh, which runs it as its first process. `say NAME TEXT` tells the test. */
  readonly script: string;
  /** Files that the guest finds in /mnt, by their name. */
  readonly files?: readonly string[];
}

/** QEMU's own command line for such a guest, which talks on stdout. */
export async function guestCommand({ parts, folder, script, files = [] }: GuestOptions): Promise<readonly string[]> {
  const own = join(folder, "initramfs/own");
  await mkdir(own, { recursive: true });
  await writeFile(join(own, "script"), PREAMBLE + script);
  for (const file of files) await copyFile(file, join(own, basename(file)));
  const archive = "(cd initramfs && find . | busybox cpio -o -H newc) 2>/dev/null";
  const appended = await mustRun("sh", ["-c", archive], { cwd: folder });
  const initramfs = join(folder, "initramfs.cpio");
  await writeFile(initramfs, Buffer.concat([await readFile(parts.initramfs), appended]));
  const machine = ["-machine", `q35,accel=${parts.accelerator}`, "-cpu", "max", "-m", "512"];
  const console = ["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"];
  const disk = ["-drive", `if=virtio,file=${parts.disk},format=raw,snapshot=on`];
  const kernel = ["-kernel", parts.kernel, "-initrd", initramfs];
  return [
    "qemu-system-x86_64",
    ...machine,
    ...console,
    ...disk,
    ...kernel,
    "-append",
    "console=ttyS0 loglevel=1 panic=-1",
  ];
}

/** A guest that runs, alone or under `larder vm`. */
export class Guest {
  /** What it has said so far, by name. */
  readonly answers = new Map<string, string>();
  readonly #lines: string[] = [];
  readonly #process: ChildProcess;
  readonly #ended: Promise<number | null>;
  readonly #heard = new EventEmitter();

  private constructor(process: ChildProcess) {
    this.#process = process;
    this.#ended = once(process, "close").then(([code]) => code);
    for (const input of [process.stdout, process.stderr])
      if (input !== null) createInterface({ input }).on("line", (line) => this.#hear(line));
  }

  /** @param command with its arguments @param folder what its larder keeps is below it */
  static start([program = "", ...args]: readonly string[], folder: string): Guest {
    const env = cleanEnvironment(folder, larderEnvironment(folder));
    return new Guest(spawn(program, args, { cwd: tmpdir(), env, stdio: ["ignore", "pipe", "pipe"] }));
  }

  /** Starts `larder vm` with these arguments. */
  static startByLarder(args: readonly string[], folder: string): Guest {
    return Guest.start([process.execPath, PROGRAM, "vm", ...args], folder);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Everything it printed. */
  get console(): string {
    return this.#lines.join("\n");
  }

  /** Waits until the guest has said this. @throws with all it printed when it ends before */
  async hears(name: string): Promise<string> {
    for (;;) {
      const text = this.answers.get(name);
      if (text !== undefined) return text;
      const isOver = await Promise.race([once(this.#heard, "answer").then(() => false), this.#ended.then(() => true)]);
      if (isOver && !this.answers.has(name)) throw new Error(`the guest ended without ${name}\n${this.console}`);
    }
  }

  /** @returns the exit code */
  ended(): Promise<number | null> {
    return this.#ended;
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  #hear(text: string): void {
    const line = text.replaceAll("\r", "");
    this.#lines.push(line);
    const [, name, said] = SAID.exec(line) ?? [];
    if (name === undefined || said === undefined) return;
    this.answers.set(name, said);
    this.#heard.emit("answer");
  }
}
