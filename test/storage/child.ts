import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A process of its own that runs a script of the tests. */
export class Child {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  /** @param script the URL of the file */
  constructor(script: string, args: readonly string[]) {
    const file = fileURLToPath(script);
    this.#process = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), file, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    if (this.#process.stdout === null) throw new Error("the child has no standard output");
    this.#lines = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** The next line it prints. */
  async nextLine(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the child ended without a word");
    return value;
  }

  /** Ends it as a power cut would end a process: without a chance to tidy up. */
  async kill(): Promise<void> {
    const exited = once(this.#process, "exit");
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill("SIGKILL");
    await exited;
  }
}
