import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, digestOf } from "../../../core/digest.ts";
import { findFiles } from "../files.ts";
import { type Outcome, runProgram } from "../programs.ts";

export interface DnfOptions {
  /** Everything dnf writes goes below it; one folder is one machine that has never seen the repository. */
  readonly folder: string;
  /** `http://127.0.0.1:PORT` */
  readonly proxy: string;
  /** PEM that dnf trusts for https. */
  readonly caFile: string;
  /** The repository's lines, such as `baseurl=…`. */
  readonly repository: Readonly<Record<string, string>>;
}

/** Debian's dnf as a machine of its own, with nothing installed, that leaves the real one alone. */
export class Dnf {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create({ folder, proxy, caFile, repository }: DnfOptions): Promise<Dnf> {
    for (const needed of ["root", "repos", "vars"]) await mkdir(join(folder, needed), { recursive: true });
    const main = {
      cachedir: join(folder, "cache"),
      reposdir: join(folder, "repos"),
      varsdir: join(folder, "vars"),
      logdir: join(folder, "log"),
      persistdir: join(folder, "persist"),
      pluginpath: join(folder, "plugins"),
      gpgcheck: "0",
      keepcache: "1",
      retries: "2",
      proxy,
      sslcacert: caFile,
    };
    const sections = [section("main", main), section("tests", { name: "tests", ...repository })];
    await writeFile(join(folder, "dnf.conf"), sections.join(""));
    return new Dnf(folder);
  }

  /** Runs dnf, whatever comes of it. */
  run(...args: string[]): Promise<Outcome> {
    const own = ["--config", join(this.#folder, "dnf.conf"), "--installroot", join(this.#folder, "root")];
    return runProgram("dnf", [...own, "--releasever", "1", "--assumeyes", ...args], { cwd: this.#folder });
  }

  /** Runs dnf, which must succeed. @throws with everything it said when it fails */
  async must(...args: string[]): Promise<void> {
    const { code, signal, stdout, stderr } = await this.run(...args);
    if (code !== 0) throw new Error(`dnf ${args.join(" ")}: ${signal ?? `exit ${code}`}\n${stderr}\n${stdout}`);
  }

  /** Brings the repository's metadata in anew. */
  async update(): Promise<void> {
    await this.must("makecache", "--refresh");
  }

  /** Installs the packages, and gives the digests of what was downloaded for that. */
  async install(...names: string[]): Promise<Record<string, Digest>> {
    await this.must("install", ...names);
    return this.downloads();
  }

  /** The digests of the packages in its cache, by file name; those that failed, or came in part, too. */
  async downloads(): Promise<Record<string, Digest>> {
    const files = await findFiles(this.#folder, /\.rpm$/);
    const named = files.map(async (file) => [file.slice(file.lastIndexOf("/") + 1), digestOf(await readFile(file))]);
    return Object.fromEntries(await Promise.all(named));
  }
}

function section(name: string, settings: Readonly<Record<string, string>>): string {
  const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
  return `[${name}]\n${lines.join("")}`;
}
