import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../support/programs.ts";

const SPEC = (name: string) => `Name: ${name}
Version: 1.0
Release: 1
Summary: a package of the larder tests
License: MIT
BuildArch: noarch
%description
%{summary}
%install
mkdir -p %{buildroot}/usr/share/${name}
echo ${name} > %{buildroot}/usr/share/${name}/name
%files
/usr/share/${name}/name
`;

/** An RPM repository on disk, made by the real tools. */
export interface RpmRepository {
  readonly folder: string;
  /** The packages, as paths below the folder. */
  readonly packages: readonly string[];
  /** The file of that type, as the name in `repodata/` has it. */
  indexOf(type: string): Promise<string>;
}

/** Builds a small package of each name and the repository that holds them, in an empty folder. */
export async function createRpmRepository(folder: string, names: readonly string[]): Promise<RpmRepository> {
  const repository = join(folder, "repository");
  await mkdir(join(repository, "Packages"), { recursive: true });
  for (const name of names) {
    const spec = join(folder, `${name}.spec`);
    await writeFile(spec, SPEC(name));
    await mustRun("rpmbuild", ["--quiet", "-bb", "--define", `_topdir ${folder}/build`, spec], { cwd: folder });
  }
  const built = join(folder, "build/RPMS/noarch");
  const files = (await readdir(built)).sort();
  for (const file of files) await rename(join(built, file), join(repository, "Packages", file));
  await mustRun("createrepo_c", ["--quiet", repository], { cwd: folder });
  return {
    folder: repository,
    packages: files.map((file) => `Packages/${file}`),
    async indexOf(type) {
      const found = (await readdir(join(repository, "repodata"))).find((file) => file.includes(`-${type}.xml.`));
      if (found === undefined) throw new Error(`createrepo_c made no ${type}`);
      return `repodata/${found}`;
    },
  };
}
