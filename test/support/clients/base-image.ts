import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { inject } from "vitest";
import { mustRun } from "../programs.ts";

/** An image made from Debian's packages alone. */
export interface ImageRecipe {
  readonly name: string;
  readonly packages: readonly string[];
  /** Puts the machine's own node and npm in: Debian's npm is several hundred packages. */
  readonly hasNode?: boolean;
}

/** Debian with apt, curl, wget, pip, dnf and npm. */
const BASE: ImageRecipe = {
  name: "localhost/larder-base",
  packages: ["ca-certificates", "curl", "wget", "python3-pip", "dnf", "rpm"],
  hasNode: true,
};
export const BASE_IMAGE = BASE.name;

const SUITE = "bookworm";
/** What no test looks at makes up half of an image. */
const LEFT_OUT = ["/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*/*"];

const COPY_NODE = `install -D "$NODE" "$1/usr/local/bin/node"
mkdir -p "$1/usr/local/lib/node_modules"
cp -rL "$NPM" "$1/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"
`;
const NO_LISTS = `rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin\n`;

/** Under a lock, for files of tests run beside each other: whoever comes first makes it. Java's set-up needs the folder of manuals. */
const MAKE = `set -e
test -e "$FOLDER/$FILE.made" && exit
mmdebstrap --quiet --variant=apt --aptopt='APT::Install-Recommends "false"' ${LEFT_OUT.map((path) => `--dpkgopt='path-exclude=${path}'`).join(" ")} \\
  --setup-hook='mkdir -p "$1/usr/share/man/man1"' --include="$PACKAGES" --customize-hook='sh -e "$HOOK" "$1"' ${SUITE} "$FOLDER/$FILE.tar"
podman --root "$FOLDER/storage" --runroot "$FOLDER/run" import "$FOLDER/$FILE.tar" "$IMAGE"
rm "$FOLDER/$FILE.tar"
touch "$FOLDER/$FILE.made"
`;

/**
 * Makes the image, once for a run of the tests: it takes half a minute.
 * @returns the options that make podman and buildah use the storage it is in
 */
export async function makeImage({ name, packages, hasNode = false }: ImageRecipe): Promise<readonly string[]> {
  const folder = join(inject("runFolder"), "containers");
  const file = name.replaceAll("/", "-");
  await mkdir(folder, { recursive: true });
  const hook = join(folder, `${file}.hook`);
  await writeFile(hook, `${hasNode ? COPY_NODE : ""}${NO_LISTS}`);
  const env = {
    FOLDER: folder,
    FILE: file,
    IMAGE: name,
    PACKAGES: packages.join(","),
    HOOK: hook,
    NODE: process.execPath,
    NPM: resolve(dirname(process.execPath), "../lib/node_modules/npm"),
  };
  await mustRun("flock", [join(folder, "lock"), "sh", "-c", MAKE], { cwd: folder, env });
  return ["--root", join(folder, "storage"), "--runroot", join(folder, "run")];
}

/** {@link BASE}, by {@link makeImage}. */
export function makeBaseImage(): Promise<readonly string[]> {
  return makeImage(BASE);
}
