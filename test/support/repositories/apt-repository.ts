import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { digestOf } from "../../../core/digest.ts";
import { noise } from "../noise.ts";
import { mustRun } from "../programs.ts";

/** A signed Debian repository on disk, made by Debian's own tools. */
export interface AptRepository {
  /** To be served as it is. */
  readonly folder: string;
  /** The public key that signed it, for `signed-by`. */
  readonly keyring: string;
}

export interface AptPackage {
  readonly name: string;
  readonly version?: string;
  /** Bytes of its only file, which nothing compresses. */
  readonly bytes?: number;
}

export interface PublishOptions {
  /** Serves indexes under the names of their digests, too, and says so. */
  readonly hasByHash?: boolean;
  /** Signs beside the Release, and has no InRelease. */
  readonly isDetached?: boolean;
  /** Files of packages that are published as they are. */
  readonly debs?: readonly string[];
}

export const SUITE = "stable";
const SMALL_BYTES = 20_000;
const COMPRESSORS = { xz: ["xz", "-k"], gz: ["gzip", "-kn9"] } as const;
/** Where the index of packages stands, with an extension for each of its forms. */
export const INDEX = `dists/${SUITE}/main/binary-amd64`;

/** Builds one small package of each name and the signed repository that holds them, in a folder that is there. */
export async function createAptRepository(folder: string, names: readonly string[]): Promise<AptRepository> {
  const publisher = await AptPublisher.create(folder);
  return publisher.publish(
    "repository",
    names.map((name) => ({ name, bytes: 200_000 })),
  );
}

/** Publishes repositories that one key signs: generation after generation of the same, if they are so served. */
export class AptPublisher {
  readonly #folder: string;
  readonly #keyring: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#keyring = join(folder, "keyring.gpg");
  }

  /** Makes the key. @param folder must be there; everything is made below it. */
  static async create(folder: string): Promise<AptPublisher> {
    const publisher = new AptPublisher(folder);
    await mkdir(publisher.#home, { mode: 0o700 });
    await publisher.#gpg("--quick-generate-key", "larder tests", "ed25519", "sign", "never");
    await publisher.#gpg("--output", publisher.#keyring, "--export");
    return publisher;
  }

  /** Builds the packages, and the repository that holds them and nothing else, in a new folder of that name. */
  async publish(name: string, packages: readonly AptPackage[], options: PublishOptions = {}): Promise<AptRepository> {
    const repository = join(this.#folder, name);
    const index = join(repository, INDEX);
    await mkdir(join(repository, "pool"), { recursive: true });
    await mkdir(index, { recursive: true });
    for (const spec of packages) await buildDeb(repository, spec);
    for (const deb of options.debs ?? []) await copyFile(deb, join(repository, "pool", basename(deb)));
    await writeFile(
      join(index, "Packages"),
      await mustRun("apt-ftparchive", ["packages", "pool"], { cwd: repository }),
    );
    for (const [program, ...flags] of Object.values(COMPRESSORS))
      await mustRun(program, [...flags, join(index, "Packages")], { cwd: repository });
    await this.sign(repository, options);
    // As archives have it: the plain form is declared, and is not there.
    await rm(join(index, "Packages"));
    return { folder: repository, keyring: this.#keyring };
  }

  /** Signs for the indexes that stand there, whatever they hold by now. */
  async sign(repository: string, { hasByHash = false, isDetached = false }: PublishOptions = {}): Promise<void> {
    const index = join(repository, INDEX);
    const suite = join(repository, "dists", SUITE);
    await rm(join(suite, "Release"), { force: true });
    await rm(join(suite, "InRelease"), { force: true });
    const text = await release(repository, suite);
    await writeFile(join(suite, "Release"), hasByHash ? `Acquire-By-Hash: yes\n${text}` : text);
    await this.#signRelease(suite, isDetached);
    if (hasByHash) for (const extension of Object.keys(COMPRESSORS)) await linkByHash(index, `Packages.${extension}`);
  }

  /** Builds the packages into a flat repository: everything in one folder, no suite and no components. */
  async publishFlat(name: string, packages: readonly AptPackage[]): Promise<AptRepository> {
    const repository = join(this.#folder, name);
    await mkdir(repository);
    for (const spec of packages) await buildDeb(repository, spec, ".");
    const run = (...args: string[]) => mustRun("apt-ftparchive", args, { cwd: repository });
    await writeFile(join(repository, "Packages"), await run("packages", "."));
    await writeFile(join(repository, "Release"), await run("release", "."));
    await this.#signRelease(repository, false);
    return { folder: repository, keyring: this.#keyring };
  }

  async #signRelease(folder: string, isDetached: boolean): Promise<void> {
    const text = join(folder, "Release");
    if (isDetached) await this.#gpg("--output", join(folder, "Release.gpg"), "--armor", "--detach-sign", text);
    else await this.#gpg("--output", join(folder, "InRelease"), "--clearsign", text);
  }

  get #home(): string {
    return join(this.#folder, "gnupg");
  }

  /** The agent that gpg starts would stay behind. */
  async #gpg(...args: readonly string[]): Promise<void> {
    const flags = ["--homedir", this.#home, "--batch", "--yes", "--passphrase", ""];
    try {
      await mustRun("gpg", [...flags, ...args], { cwd: this.#folder });
    } finally {
      await mustRun("gpgconf", ["--homedir", this.#home, "--kill", "all"], { cwd: this.#folder });
    }
  }
}

/** Debian's own package of that name, as a newer version of itself: its scripts and files are what they are. */
export async function downloadNewer(folder: string, name: string): Promise<string> {
  const sandbox = ["-o", "APT::Sandbox::User=root"];
  await mustRun("apt-get", [...sandbox, "download", name], { cwd: folder });
  const run = (...args: readonly string[]) => mustRun("sh", ["-ec", ...args], { cwd: folder });
  await run('dpkg-deb --raw-extract "$0"_*.deb "$0" && sed -i "s/^Version: .*/&+larder/" "$0/DEBIAN/control"', name);
  await run('dpkg-deb --root-owner-group --build "$0" "$0"_newer_all.deb', name);
  return join(folder, `${name}_newer_all.deb`);
}

async function buildDeb(
  repository: string,
  { name, version = "1.0", bytes = SMALL_BYTES }: AptPackage,
  pool = "pool",
): Promise<void> {
  const tree = join(`${repository}-build`, name);
  await mkdir(join(tree, "DEBIAN"), { recursive: true });
  await chmod(tree, 0o755);
  await writeFile(join(tree, "DEBIAN/control"), control(name, version));
  await mkdir(join(tree, `usr/share/${name}`), { recursive: true });
  await writeFile(join(tree, `usr/share/${name}/noise`), noise(`${name} ${version}`, bytes));
  const file = join(repository, pool, `${name}_${version}_all.deb`);
  await mustRun("dpkg-deb", ["--root-owner-group", "-Znone", "--build", tree, file], { cwd: repository });
}

const control = (name: string, version: string) => `Package: ${name}
Version: ${version}
Architecture: all
Maintainer: larder tests <tests@larder.invalid>
Description: a package of the larder tests
`;

async function release(repository: string, suite: string): Promise<string> {
  const facts = {
    Origin: "larder tests",
    Suite: SUITE,
    Codename: SUITE,
    Architectures: "amd64 all",
    Components: "main",
  };
  const options = Object.entries(facts).flatMap(([key, value]) => ["-o", `APT::FTPArchive::Release::${key}=${value}`]);
  return (await mustRun("apt-ftparchive", [...options, "release", suite], { cwd: repository })).toString();
}

/** apt asks by the strongest digest that the Release tells. */
async function linkByHash(index: string, name: string): Promise<void> {
  const file = join(index, name);
  const digests = { SHA256: digestOf(await readFile(file)), SHA512: await sha512Of(file) };
  for (const [algorithm, digest] of Object.entries(digests)) {
    await mkdir(join(index, "by-hash", algorithm), { recursive: true });
    await copyFile(file, join(index, "by-hash", algorithm, digest));
  }
}

async function sha512Of(file: string): Promise<string> {
  return createHash("sha512")
    .update(await readFile(file))
    .digest("hex");
}
