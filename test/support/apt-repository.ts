import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { noise } from "./noise.ts";
import { mustRun } from "./programs.ts";

/** A signed Debian repository on disk, made by Debian's own tools. */
export interface AptRepository {
  /** To be served as it is. */
  readonly folder: string;
  /** The public key that signed it, for `signed-by`. */
  readonly keyring: string;
}

const SUITE = "stable";
const CONTROL = (name: string) => `Package: ${name}
Version: 1.0
Architecture: all
Maintainer: larder tests <tests@larder.invalid>
Description: a package of the larder tests
`;

/** Builds one small package of each name and the signed repository that holds them, in a folder that is there. */
export async function createAptRepository(folder: string, names: readonly string[]): Promise<AptRepository> {
  const pool = join(folder, "repository/pool");
  const index = join(folder, `repository/dists/${SUITE}/main/binary-amd64`);
  await mkdir(pool, { recursive: true });
  await mkdir(index, { recursive: true });
  for (const name of names) await buildDeb(folder, pool, name);
  const repository = join(folder, "repository");
  const packages = await mustRun("apt-ftparchive", ["packages", "pool"], { cwd: repository });
  await writeFile(join(index, "Packages"), packages);
  await mustRun("gzip", ["-kn9", join(index, "Packages")], { cwd: repository });
  return { folder: repository, keyring: await sign(folder, await release(repository)) };
}

async function buildDeb(folder: string, pool: string, name: string): Promise<void> {
  const tree = join(folder, `build/${name}`);
  await mkdir(join(tree, "DEBIAN"), { recursive: true });
  await chmod(tree, 0o755);
  await writeFile(join(tree, "DEBIAN/control"), CONTROL(name));
  await mkdir(join(tree, `usr/share/${name}`), { recursive: true });
  await writeFile(join(tree, `usr/share/${name}/noise`), noise(name, 200_000));
  const file = join(pool, `${name}_1.0_all.deb`);
  await mustRun("dpkg-deb", ["--root-owner-group", "--build", tree, file], { cwd: folder });
}

/** @returns the suite's folder, which then holds `Release`. */
async function release(repository: string): Promise<string> {
  const facts = {
    Origin: "larder tests",
    Suite: SUITE,
    Codename: SUITE,
    Architectures: "amd64 all",
    Components: "main",
  };
  const options = Object.entries(facts).flatMap(([key, value]) => ["-o", `APT::FTPArchive::Release::${key}=${value}`]);
  const suite = join(repository, "dists", SUITE);
  const text = await mustRun("apt-ftparchive", [...options, "release", suite], { cwd: repository });
  await writeFile(join(suite, "Release"), text);
  return suite;
}

/** Signs `Release` with a key that is thrown away. @returns the file of the public key. */
async function sign(folder: string, suite: string): Promise<string> {
  const home = join(folder, "gnupg");
  await mkdir(home, { mode: 0o700 });
  const gpg = (...args: string[]) =>
    mustRun("gpg", ["--homedir", home, "--batch", "--yes", "--passphrase", "", ...args], { cwd: folder });
  const keyring = join(folder, "keyring.gpg");
  try {
    await gpg("--quick-generate-key", "larder tests", "ed25519", "sign", "never");
    await gpg("--output", keyring, "--export");
    await gpg("--output", join(suite, "InRelease"), "--clearsign", join(suite, "Release"));
  } finally {
    await mustRun("gpgconf", ["--homedir", home, "--kill", "all"], { cwd: folder });
  }
  return keyring;
}

/** How apt gets out. */
export interface AptAccess {
  readonly proxy: string;
  /** PEM that apt trusts for https; `_apt`, as whom it downloads, must be able to read it. */
  readonly caFile: string;
}

export interface AptClientOptions {
  /** Everything apt writes goes below it; one folder is one machine that has never seen the repository. */
  readonly folder: string;
  readonly repository: AptRepository;
  /** Where the repository is served. */
  readonly url: string;
  readonly access?: AptAccess;
}

/** Sets up an apt that leaves the machine's own alone. @returns the file for `APT_CONFIG` */
export async function createAptClient({ folder, repository, url, access }: AptClientOptions): Promise<string> {
  for (const needed of ["etc/apt.conf.d", "etc/preferences.d", "state/lists/partial", "cache/archives/partial"])
    await mkdir(join(folder, needed), { recursive: true });
  await writeFile(join(folder, "state/status"), "");
  await writeFile(join(folder, "etc/sources.list"), `deb [signed-by=${repository.keyring}] ${url} ${SUITE} main\n`);
  const file = join(folder, "apt.conf");
  await writeFile(file, ownPlaces(folder) + (access === undefined ? "" : wayOut(access)));
  return file;
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
