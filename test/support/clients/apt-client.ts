import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../../../core/digest.ts";
import { folderDigests } from "../files.ts";
import { type Outcome, runProgram } from "../programs.ts";
import { type AptRepository, SUITE } from "../repositories/apt-repository.ts";

/** How apt gets out. */
export interface AptAccess {
  readonly proxy: string;
  /** PEM that apt trusts for https; `_apt`, as whom it downloads, must be able to read it. */
  readonly caFile: string;
}

export interface AptClientOptions {
  /** Everything apt writes goes below it; one folder is one machine that has never seen the repository. */
  readonly folder: string;
  readonly repository: Pick<AptRepository, "keyring">;
  /** Where the repository is served: one place, or several that apt may choose from. */
  readonly urls: readonly string[];
  readonly access?: AptAccess;
  /** The types of sources.list's lines, and what stands behind the URL. */
  readonly types?: readonly ("deb" | "deb-src")[];
  readonly suite?: string;
}

/** Sets up an apt that leaves the machine's own alone. @returns the file for `APT_CONFIG` */
export async function createAptClient(options: AptClientOptions): Promise<string> {
  const { folder, repository, urls, access, types = ["deb"], suite = `${SUITE} main` } = options;
  for (const needed of ["etc/apt.conf.d", "etc/preferences.d", "state/lists/partial", "cache/archives/partial"])
    await mkdir(join(folder, needed), { recursive: true });
  await writeFile(join(folder, "state/status"), "");
  const sources = urls.flatMap((url) =>
    types.map((type) => `${type} [signed-by=${repository.keyring}] ${url} ${suite}\n`),
  );
  await writeFile(join(folder, "etc/sources.list"), sources.join(""));
  const file = join(folder, "apt.conf");
  await writeFile(file, ownPlaces(folder) + (access === undefined ? "" : wayOut(access)));
  return file;
}

/** A machine with apt on it. */
export class AptClient {
  readonly #folder: string;
  readonly #config: string;

  private constructor(folder: string, config: string) {
    this.#folder = folder;
    this.#config = config;
  }

  /** @param options its folder need not be there. */
  static async create(options: AptClientOptions): Promise<AptClient> {
    return new AptClient(options.folder, await createAptClient(options));
  }

  /** Fails when anything could not be had; apt itself is content with old indexes. */
  update(...flags: readonly string[]): Promise<Outcome> {
    return this.#run("update", "--error-on=any", ...flags);
  }

  /** Downloads the packages, and checks them. */
  download(names: readonly string[], ...flags: readonly string[]): Promise<Outcome> {
    return this.#run("install", "--download-only", "--yes", ...flags, ...names);
  }

  /** Downloads the files of a source package, and checks them. @returns their digests */
  async source(name: string): Promise<Record<string, Digest>> {
    const { code, stderr, stdout } = await this.#run("source", "--download-only", name);
    if (code !== 0) throw new Error(`apt-get source ${name}: exit ${code}\n${stderr}\n${stdout}`);
    return folderDigests(this.#folder, /\.(?:dsc|tar\.[a-z]+)$/);
  }

  /** What it has downloaded and found right. */
  packages(): Promise<Record<string, Digest>> {
    return folderDigests(join(this.#folder, "cache/archives"), /\.deb$/);
  }

  #run(...args: readonly string[]): Promise<Outcome> {
    return runProgram("apt-get", args, { cwd: this.#folder, env: { APT_CONFIG: this.#config } });
  }
}

const ownPlaces = (folder: string) => `Dir::Etc "${folder}/etc/";
Dir::State "${folder}/state/";
Dir::State::status "${folder}/state/status";
Dir::Cache "${folder}/cache/";
Dir::Log "${folder}/";
APT::Architecture "amd64";
Acquire::Languages "none";
Acquire::Retries "0";
`;

const wayOut = ({ proxy, caFile }: AptAccess) => `Acquire::http::Proxy "${proxy}";
Acquire::https::Proxy "${proxy}";
Acquire::https::CAInfo "${caFile}";
`;
