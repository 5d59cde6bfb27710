import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { noise } from "../support/noise.ts";
import type { Origin } from "../support/origin.ts";
import { mustRun } from "../support/programs.ts";
import { gitHandler } from "../support/repositories/git-server.ts";

const IDENTITY = {
  GIT_AUTHOR_NAME: "a",
  GIT_AUTHOR_EMAIL: "a@b",
  GIT_COMMITTER_NAME: "a",
  GIT_COMMITTER_EMAIL: "a@b",
};

export interface GitOptions {
  /** Bytes that do not compress, in one file. */
  readonly bytes: number;
  /** An empty folder. */
  readonly folder: string;
  /** URL of larder, and what git trusts it by. */
  readonly proxy: string;
  readonly caFile: string;
}

/** Git pushes that much over https through larder, and clones it again. */
export async function expectGitPasses(origin: Origin, { bytes, folder, proxy, caFile }: GitOptions): Promise<void> {
  const server = join(folder, "server");
  await mkdir(server);
  const work = join(folder, "work");
  const env = { ...IDENTITY, https_proxy: proxy, GIT_SSL_CAINFO: caFile };
  const git = (cwd: string, ...args: string[]) => mustRun("git", args, { cwd, env });
  await git(folder, "init", "--bare", "--quiet", "server/repo.git");
  await git(folder, "init", "--quiet", "--initial-branch=main", "work");
  origin.serve("/repo.git/", gitHandler(server));
  const body = noise("a large file", bytes);
  await writeFile(join(work, "large"), body);
  await git(work, "add", "large");
  await git(work, "commit", "--quiet", "--message=one");
  await git(work, "push", "--quiet", `${origin.url}/repo.git`, "main");
  await git(folder, "clone", "--quiet", "--branch=main", `${origin.url}/repo.git`, "again");
  expect((await readFile(join(folder, "again/large"))).equals(body)).toBe(true);
}
