import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { noise } from "../noise.ts";
import { mustRun } from "../programs.ts";

/** How the repodata of a repository is packed; `zck` adds zchunk files beside those of gzip. */
export type Packing = "gz" | "xz" | "zstd" | "zck";

export interface IndexOptions {
  readonly packing?: Packing;
  /** More arguments for createrepo_c. */
  readonly flags?: readonly string[];
}

export interface RpmOptions {
  readonly version?: string;
  /** How much noise the package holds. */
  readonly bytes?: number;
}

/** An RPM repository on disk, made by rpmbuild and createrepo_c, to be served as it is. */
export class RpmRepository {
  readonly folder: string;
  readonly #workshop: string;

  private constructor(workshop: string) {
    this.#workshop = workshop;
    this.folder = join(workshop, "repository");
  }

  /** Builds a package of each name and the repository that holds them, in a folder that is not there yet. */
  static async create(workshop: string, names: readonly string[], options?: IndexOptions): Promise<RpmRepository> {
    const repository = new RpmRepository(workshop);
    await mkdir(join(repository.folder, "Packages"), { recursive: true });
    for (const name of names) await repository.build(name);
    await repository.index(options);
    return repository;
  }

  /** Where its packages are. */
  get packages(): string {
    return join(this.folder, "Packages");
  }

  /** Builds a package whose content is noise of its name and version. @returns its file name */
  async build(name: string, { version = "1.0", bytes = 200_000 }: RpmOptions = {}): Promise<string> {
    const sources = join(this.#workshop, `build/${name}-${version}`);
    await mkdir(sources, { recursive: true });
    await writeFile(join(sources, "noise"), noise(`${name} ${version}`, bytes));
    await writeFile(join(sources, "package.spec"), specOf(name, version));
    const macros = {
      _topdir: sources,
      _sourcedir: sources,
      _rpmdir: this.packages,
      _rpmfilename: "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
      _tmppath: sources,
    };
    const defines = Object.entries(macros).flatMap(([macro, value]) => ["--define", `${macro} ${value}`]);
    await mustRun("rpmbuild", ["-bb", "--quiet", ...defines, "package.spec"], { cwd: sources });
    return `${name}-${version}-1.noarch.rpm`;
  }

  /** Publishes what is in the folder: new repodata, nothing of the old is kept. */
  async index({ packing = "gz", flags = [] }: IndexOptions = {}): Promise<void> {
    const cwd = this.#workshop;
    const packed = { gz: [], xz: ["--xz"], zck: ["--zck"], zstd: ["--simple-md-filenames"] }[packing];
    await mustRun("createrepo_c", ["--quiet", "--no-database", ...packed, ...flags, this.folder], { cwd });
    if (packing === "zstd") await this.#repackByZstd();
  }

  /** The path below the repository of a file of its repodata, by its type in repomd.xml. */
  pathOf(type: string): Promise<string> {
    return memberPath(this.folder, type);
  }

  /** Replaces the text of primary.xml, and declares the new one. */
  async rewritePrimary(change: (xml: string) => string): Promise<void> {
    const repodata = join(this.folder, "repodata");
    const packed = join(this.folder, await this.pathOf("primary"));
    const xml = await mustRun("gzip", ["-dc", packed], { cwd: repodata });
    await this.#modify("--remove", "primary");
    const file = join(this.#workshop, "primary.xml");
    await writeFile(file, change(xml.toString()));
    await this.#modify("--mdtype=primary", "--compress-type=gz", file);
  }

  /** createrepo_c 0.17, Debian's, cannot pack so itself. */
  async #repackByZstd(): Promise<void> {
    const repodata = join(this.folder, "repodata");
    const names = (await readdir(repodata)).filter((name) => name.endsWith(".xml.gz"));
    for (const name of names) {
      const type = name.replace(".xml.gz", "");
      await mustRun("gzip", ["-d", name], { cwd: repodata });
      await mustRun("zstd", ["-q", "--rm", `${type}.xml`], { cwd: repodata });
      await this.#modify("--remove", type);
      const file = join(repodata, `${type}.xml.zst`);
      await this.#modify("--no-compress", "--simple-md-filenames", `--mdtype=${type}`, file);
    }
  }

  async #modify(...args: string[]): Promise<void> {
    const repodata = join(this.folder, "repodata");
    await mustRun("modifyrepo_c", [...args, repodata], { cwd: repodata });
  }
}

/** As {@link RpmRepository.pathOf}, of any folder that is laid out as a repository. */
export async function memberPath(repository: string, type: string): Promise<string> {
  const root = await readFile(join(repository, "repodata/repomd.xml"), "utf8");
  const found = new RegExp(`<data type="${type}">.*?<location href="([^"]+)"`, "s").exec(root);
  if (found === null) throw new Error(`repomd.xml has no data of type ${type}`);
  return found[1] as string;
}

const specOf = (name: string, version: string) => `Name: ${name}
Version: ${version}
Release: 1
Summary: a package of the larder tests
License: MIT
BuildArch: noarch
%description
A package of the larder tests.
%install
mkdir -p %{buildroot}/usr/share/${name}
cp %{_sourcedir}/noise %{buildroot}/usr/share/${name}/noise
%files
/usr/share/${name}
`;
