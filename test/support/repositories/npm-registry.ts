import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { bytesHandler } from "../files.ts";
import { noise } from "../noise.ts";
import type { Origin } from "../origin.ts";
import { mustRun } from "../programs.ts";

/** The abbreviated packument, which `npm install` asks for. */
const INSTALL_V1 = "application/vnd.npm.install-v1+json";
const PAYLOAD_FIELDS = {
  "Cache-Control": "public, max-age=31536000, immutable",
  "Content-Type": "application/octet-stream",
};
const PACKUMENT_FIELDS = { "Cache-Control": "public, max-age=300", Vary: "Accept" };

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

/** Where and how packages are published. */
export interface NpmPublishing {
  /** Who has the packuments. */
  readonly registry: Origin;
  /** Who has the tarballs; the registry itself where it is left out. */
  readonly files?: Origin;
  /** What clients call the host of the tarballs, where that is not its own name. */
  readonly filesUrl?: string;
  /** When every version was published. */
  readonly time?: string;
  /** Leaves `dist.integrity` out, as packages of before 2017 have it. */
  readonly hasOnlyShasum?: boolean;
}

/** Publishes packages as npm's registry does: packuments below `/`, full or abbreviated by Accept, and tarballs. */
export function publishNpmPackages(packages: readonly NpmPackage[], publishing: NpmPublishing): void {
  const {
    registry,
    files = registry,
    filesUrl = files.url,
    time = "2020-03-04T10:00:00.000Z",
    hasOnlyShasum = false,
  } = publishing;
  for (const { name, version, tarball } of packages) {
    const path = tarballPath(name, version);
    const dist = {
      ...(hasOnlyShasum ? {} : { integrity: `sha512-${createHash("sha512").update(tarball).digest("base64")}` }),
      shasum: createHash("sha1").update(tarball).digest("hex"),
      tarball: `${filesUrl}${path}`,
    };
    const versions = { [version]: { name, version, dist } };
    const short = { name, modified: time, "dist-tags": { latest: version }, versions };
    const full = { ...short, time: { created: time, modified: time, [version]: time }, readme: `# ${name}` };
    files.serve(path, bytesHandler(tarball, PAYLOAD_FIELDS));
    registry.serve(`/${name.replace("/", "%2f")}`, (request, response) => {
      const isShort = request.headers.accept?.includes(INSTALL_V1) === true;
      const fields = { ...PACKUMENT_FIELDS, "Content-Type": isShort ? INSTALL_V1 : "application/json" };
      return bytesHandler(Buffer.from(JSON.stringify(isShort ? short : full)), fields)(request, response);
    });
  }
}

/** What `npm publish` sends: a packument of one version, and its tarball in base64. */
interface NpmUpload {
  readonly name: string;
  readonly versions: Readonly<Record<string, { readonly dist: { readonly tarball: string } }>>;
  readonly _attachments: Readonly<Record<string, { readonly data: string }>>;
}

/** An upload that a registry has taken, and the credentials it came with. */
interface Publication {
  readonly name: string;
  readonly token: string | undefined;
}

/** Takes what `npm publish` puts, and serves all versions that have come of it. @returns what was published, as it comes. */
export function acceptNpmPublish(registry: Origin): readonly Publication[] {
  const published: Publication[] = [];
  const packuments = new Map<string, NpmUpload>();
  const take = async (request: IncomingMessage): Promise<void> => {
    const upload = JSON.parse(await text(request)) as NpmUpload;
    const versions = { ...packuments.get(upload.name)?.versions, ...upload.versions };
    packuments.set(upload.name, { ...upload, versions, _attachments: {} });
    for (const [file, { data }] of Object.entries(upload._attachments))
      registry.serve(`/${upload.name}/-/${file}`, bytesHandler(Buffer.from(data, "base64"), PAYLOAD_FIELDS));
    published.push({ name: upload.name, token: request.headers.authorization });
  };
  registry.serve("/", async (request, response) => {
    if (request.method === "PUT") {
      await take(request);
      response.writeHead(201, { "Content-Type": "application/json" }).end('{"ok":true}');
      return;
    }
    const packument = packuments.get(decodeURIComponent(request.url?.slice(1) ?? ""));
    if (packument === undefined) response.writeHead(404, { "Content-Type": "application/json" }).end("{}");
    else {
      const fields = { ...PACKUMENT_FIELDS, "Content-Type": "application/json" };
      await bytesHandler(Buffer.from(JSON.stringify(packument)), fields)(request, response);
    }
  });
  return published;
}

/** Where a registry has a tarball. */
export function tarballPath(name: string, version: string): string {
  return `/${name}/-/${name.replace(/^@.*\//, "")}-${version}.tgz`;
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
