import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { renderTruststore } from "../../certs/truststore.ts";
import { renderAptProxyDetect, renderAptTrust } from "../../clients/apt.ts";
import { trustFilesIn } from "../../clients/audience.ts";
import { FRAGMENT_NAMES, type Fragments, renderFragments } from "../../clients/fragments.ts";
import { systemCode } from "../../core/errors.ts";
import { HANDOUT_FILES, handoutPath, renderWgetrc } from "../../core/handout.ts";
import { trustDirOfStore } from "../serving/trust.ts";
import { replaceFile } from "./written-file.ts";

/** `<root>/env.d`: one `KEY=value` a line, read in glob order by whoever builds. */
const FOLDER = "env.d";

/**
 * Writes the fragments of this store, and beside its trust files what apt, wget and Java need in their place. Each file
 * is written at once or not at all, so that a build that sources them never sees half of one.
 * @throws LarderError `CONFIG_BAD_VALUE` when a path does not fit on a line; `FILE_UNWRITABLE`
 */
export function writeEnvironment(
  root: string,
  { proxyUrl, baseImage }: Pick<Fragments, "proxyUrl" | "baseImage">,
): void {
  const trustDir = trustDirOfStore(root);
  const files = trustFilesIn(trustDir);
  const fragments = renderFragments({ proxyUrl, baseImage, ...files });
  const inTrustDir = (name: keyof typeof HANDOUT_FILES) => join(trustDir, HANDOUT_FILES[name]);
  replaceFile(inTrustDir("aptConf"), renderAptTrust(handoutPath("bundle")), 0o644);
  replaceFile(inTrustDir("aptProxyDetect"), renderAptProxyDetect(proxyUrl), 0o755);
  replaceFile(inTrustDir("wgetrc"), renderWgetrc(""), 0o644);
  replaceFile(inTrustDir("truststore"), renderTruststore(readFileSync(files.bundleFile, "utf8")), 0o644);
  for (const name of Object.values(FRAGMENT_NAMES)) {
    const file = join(root, FOLDER, name);
    const text = fragments[name];
    if (text === undefined) rmSync(file, { force: true });
    else replaceFile(file, text, 0o644);
  }
}

/**
 * Removes our fragments; others of the folder are the user's. Synchronous, so that it also works while the process
 * exits.
 */
export function removeFragments(root: string): void {
  for (const name of Object.values(FRAGMENT_NAMES)) rmSync(join(root, FOLDER, name), { force: true });
}

/** The fragments as they stand on disk, one after the other in glob order; empty when there are none. */
export function readFragments(root: string): string {
  const folder = join(root, FOLDER);
  return listFolder(folder)
    .filter((name) => name.endsWith(".env") && !name.startsWith("."))
    .sort()
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("");
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}

/** The address for clients on this machine: a listener for every address is reached by loopback. */
export function loopbackFor(url: string): string {
  return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:");
}
