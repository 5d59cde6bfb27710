import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bytesHandler } from "./files.ts";
import { noise } from "./noise.ts";
import type { Origin } from "./origin.ts";
import { mustRun } from "./programs.ts";

/** The abbreviated packument, which `npm install` asks for. */
const INSTALL_V1 = "application/vnd.npm.install-v1+json";
const PAYLOAD_FIELDS = {
  "Cache-Control": "public, max-age=31536000, immutable",
  "Content-Type": "application/octet-stream",
};
const PACKUMENT_FIELDS = { "Cache-Control": "public, max-age=300", "Content-Type": INSTALL_V1, Vary: "Accept" };

/** A package as `npm pack` makes it. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly tarball: Buffer;
  /** The text of its `index.js`. */
  readonly main: string;
}

/** Packs one small package with the real npm, in a folder that is there. @param name may be scoped. */
export async function createNpmPackage(folder: string, name: string): Promise<NpmPackage> {
  const version = "1.0.0";
  const tree = join(folder, name);
  await mkdir(tree, { recursive: true });
  await writeFile(join(tree, "package.json"), JSON.stringify({ name, version, license: "MIT", main: "index.js" }));
  const main = `module.exports = "${noise(name, 200_000).toString("base64")}";\n`;
  await writeFile(join(tree, "index.js"), main);
  const packed = await mustRun("npm", ["pack", "--json", "--offline"], { cwd: tree, env: isolatedNpm(folder) });
  const [{ filename }] = JSON.parse(packed.toString()) as [{ filename: string }];
  return { name, version, main, tarball: await readFile(join(tree, filename)) };
}

/** Publishes packages below `/` of the origin: packuments with integrity, and tarballs. */
export function serveNpmPackages(origin: Origin, baseUrl: string, packages: readonly NpmPackage[]): void {
  for (const { name, version, tarball } of packages) {
    const path = `/${name}/-/${name.replace(/^@.*\//, "")}-${version}.tgz`;
    const dist = {
      integrity: `sha512-${createHash("sha512").update(tarball).digest("base64")}`,
      shasum: createHash("sha1").update(tarball).digest("hex"),
      tarball: `${baseUrl}${path}`,
    };
    const versions = { [version]: { name, version, dist } };
    const packument = JSON.stringify({
      name,
      modified: "2025-03-04T10:00:00.000Z",
      "dist-tags": { latest: version },
      versions,
    });
    origin.serve(path, bytesHandler(tarball, PAYLOAD_FIELDS));
    origin.serve(`/${name.replace("/", "%2f")}`, bytesHandler(Buffer.from(packument), PACKUMENT_FIELDS));
  }
}

/** The environment of an npm that reads nobody's configuration and keeps its cache in the folder. */
export function isolatedNpm(folder: string): Record<string, string> {
  return {
    npm_config_userconfig: join(folder, "npmrc"),
    npm_config_globalconfig: join(folder, "global-npmrc"),
    npm_config_cache: join(folder, "npm-cache"),
    npm_config_update_notifier: "false",
    npm_config_audit: "false",
    npm_config_fund: "false",
    npm_config_fetch_retries: "0",
  };
}
