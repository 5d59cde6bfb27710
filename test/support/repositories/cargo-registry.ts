import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../programs.ts";
import { createGitRepository } from "./git-server.ts";

/**
 * Makes a registry of one crate, with the kind of index that every cargo knows: the git repository `<folder>/index.git`
 * (The Cargo Book, "Registry Index").
 * @param url where crates are downloaded: `<url>/<name>/1.0.0/download`
 * @returns the crate
 */
export async function createCargoRegistry(folder: string, name: string, url: string): Promise<Buffer> {
  const tree = join(folder, "crate", `${name}-1.0.0`);
  await mkdir(join(tree, "src"), { recursive: true });
  await writeFile(join(tree, "Cargo.toml"), `[package]\nname = "${name}"\nversion = "1.0.0"\nedition = "2021"\n`);
  await writeFile(join(tree, "src/lib.rs"), "");
  await mustRun("tar", ["--create", "--gzip", "--file=../crate.tgz", `${name}-1.0.0`], { cwd: join(tree, "..") });
  const crate = await readFile(join(folder, "crate.tgz"));
  const cksum = createHash("sha256").update(crate).digest("hex");
  const entry = { name, vers: "1.0.0", deps: [], cksum, features: {}, yanked: false };
  await createGitRepository(folder, "index", {
    "config.json": JSON.stringify({ dl: url }),
    [`${name.slice(0, 2)}/${name.slice(2, 4)}/${name}`]: `${JSON.stringify(entry)}\n`,
  });
  return crate;
}
