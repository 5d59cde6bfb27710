import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { inject } from "vitest";
import { mustRun } from "./programs.ts";

/** The name of the image in {@link BaseImage}'s storage: Debian with apt, curl, wget, pip, dnf and npm. */
export const BASE_IMAGE = "localhost/larder-base";

const PACKAGES = ["ca-certificates", "curl", "wget", "python3-pip", "dnf", "rpm"];
const SUITE = "bookworm";
/** What no test looks at makes up half of the image. */
const LEFT_OUT = ["/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*"];

/** Puts the machine's own node and npm in: Debian's npm is several hundred packages. */
const COPY_NODE = `set -e
install -D "$NODE" "$1/usr/local/bin/node"
mkdir -p "$1/usr/local/lib/node_modules"
cp -rL "$NPM" "$1/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"
rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin
`;

/** Under a lock, for files of tests run beside each other: whoever comes first makes it. */
const MAKE = `set -e
test -e "$FOLDER/made" && exit
mmdebstrap --quiet --variant=apt --aptopt='APT::Install-Recommends "false"' ${LEFT_OUT.map((path) => `--dpkgopt='path-exclude=${path}'`).join(" ")} \\
  --include=${PACKAGES.join(",")} --customize-hook='sh "$COPY_NODE" "$1"' ${SUITE} "$FOLDER/base.tar"
podman --root "$FOLDER/storage" --runroot "$FOLDER/run" import "$FOLDER/base.tar" ${BASE_IMAGE}
rm "$FOLDER/base.tar"
touch "$FOLDER/made"
`;

/**
 * Makes the image from Debian's packages, once for a run of the tests: it takes half a minute.
 * @returns the options that make podman and buildah use the storage it is in
 */
export async function makeBaseImage(): Promise<readonly string[]> {
  const folder = join(inject("runFolder"), "containers");
  await mkdir(folder, { recursive: true });
  const hook = join(folder, "copy-node");
  await writeFile(hook, COPY_NODE);
  const npm = resolve(dirname(process.execPath), "../lib/node_modules/npm");
  const env = { FOLDER: folder, COPY_NODE: hook, NODE: process.execPath, NPM: npm };
  await mustRun("flock", [join(folder, "lock"), "sh", "-c", MAKE], { cwd: folder, env });
  return ["--root", join(folder, "storage"), "--runroot", join(folder, "run")];
}
