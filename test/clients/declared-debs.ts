import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { type Answer, get, type Through } from "../support/client.ts";
import { folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import type { Origin } from "../support/origin.ts";
import { AptPublisher, type AptRepository, INDEX } from "../support/repositories/apt-repository.ts";

/** The packages of the repository: names by length. */
export const [SMALL, LARGE, HUGE] = ["larder-small", "larder-large", "larder-huge"] as const;
/** Small enough to be held back whole, larger than what is held back, and too long for a range to wait for. */
const PACKAGES = [{ name: SMALL }, { name: LARGE, bytes: 1_500_000 }, { name: HUGE, bytes: 17 * 1024 * 1024 }];
export const PREFIX = "/debian/";
export const ROOT = "/debian/dists/stable/InRelease";
export const PACKAGES_GZ = `/debian/${INDEX}/Packages.gz`;
export const pathOf = (name: string) => `/debian/pool/${name}_1.0_all.deb`;

/** A Debian repository made by the real tools, and a larder that has read what it declares. */
export const test = base
  .extend("publisher", { scope: "file" }, ({ sharedFolder }) => AptPublisher.create(sharedFolder))
  .extend("repository", { scope: "file" }, ({ publisher }) => publisher.publish("repository", PACKAGES))
  .extend("debs", { scope: "file" }, async ({ repository }) => {
    const read = (name: string) => readFile(join(repository.folder, "pool", `${name}_1.0_all.deb`));
    return { [SMALL]: await read(SMALL), [LARGE]: await read(LARGE), [HUGE]: await read(HUGE) };
  })
  /** An http origin with the repository. */
  .extend("debian", ({ origin, repository }) => serve(origin, repository))
  /** The way through a larder that has read what the repository declares. */
  .extend("learnt", async ({ larder, debian }) => {
    await takeIndexes(larder, debian);
    return larder;
  });

/** Has the origin serve the repository, where its URIs say. */
export function serve(origin: Origin, repository: AptRepository): Origin {
  origin.serve(PREFIX, folderHandler(PREFIX, repository.folder));
  return origin;
}

/** As apt does it; a payload that is asked for next has been declared. */
export async function takeIndexes(through: Through, { url }: Origin, headers = {}): Promise<void> {
  for (const path of [ROOT, PACKAGES_GZ])
    expect(await get(through, url + path, headers)).toMatchObject({ status: 200, isWhole: true });
}

export function isHit({ headers }: Answer): boolean {
  return /; hit\b/.test(String(headers["cache-status"]));
}
