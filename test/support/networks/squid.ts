import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { unusedPort } from "../listen.ts";
import { cleanEnvironment, mustRun } from "../programs.ts";

/** A real Squid that lets in one user, and everywhere; it caches nothing. */
export class Squid {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #log: string;

  private constructor(port: number, child: ChildProcess, log: string) {
    this.port = port;
    this.#child = child;
    this.#log = log;
  }

  /** @param folder must not be there; every user may reach it, for Squid drops its privileges. */
  static async start(folder: string, { user, password }: { readonly user: string; readonly password: string }) {
    await mkdir(folder);
    await chmod(folder, 0o777);
    const port = await unusedPort();
    const [config, users, log] = ["squid.conf", "users", "access.log"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const hash = await mustRun("openssl", ["passwd", "-apr1", password], { cwd: folder });
    await writeFile(users, `${user}:${hash}`);
    await writeFile(config, configuration({ port, users, log }));
    const child = spawn("squid", ["-N", "-d1", "-f", config], {
      env: cleanEnvironment(folder),
      stdio: ["ignore", "ignore", "pipe"],
    });
    const lines = createInterface(child.stderr as NodeJS.ReadableStream);
    await Promise.race([
      new Promise<void>((resolve) => lines.on("line", (line) => void (line.includes("Accepting HTTP") && resolve()))),
      once(child, "exit").then(() => Promise.reject(new Error("squid did not start"))),
    ]);
    return new Squid(port, child, log);
  }

  /** One line a request: user, method and URL. */
  async requests(): Promise<readonly string[]> {
    const text = await readFile(this.#log, "utf8").catch(() => "");
    return text.split("\n").filter((line) => line !== "");
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, "exit");
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await gone;
  }
}

function configuration({ port, users, log }: { readonly port: number; readonly users: string; readonly log: string }) {
  return `http_port 127.0.0.1:${port}
pid_filename none
coredump_dir none
cache deny all
cache_log /dev/null
pinger_enable off
buffered_logs off
logformat asked %un %rm %ru
access_log stdio:${log} asked
auth_param basic program /usr/lib/squid/basic_ncsa_auth ${users}
acl known proxy_auth REQUIRED
acl here dst 127.0.0.0/8
http_access allow known here
http_access deny all
`;
}
