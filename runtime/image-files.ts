import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** As many as the kernel follows: path_resolution(7). */
const MAX_LINKS = 40;
/** Far more than any bundle or configuration has. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/**
 * Reads a file of an image as its container would find it: links lead no further than the image's root.
 * @param path absolute, inside the image
 * @returns where it really is, inside the image, and its text; `undefined` when there is no such regular file.
 */
export function readImageFile(
  rootDir: string,
  path: string,
): { readonly path: string; readonly text: string } | undefined {
  try {
    const found = resolveInside(rootDir, path);
    return { path: found, text: readRegularFile(join(rootDir, found)) };
  } catch {
    return undefined;
  }
}

/** Whether an image has anything at that path; a link that leads nowhere does not count. */
export function isInImage(rootDir: string, path: string): boolean {
  return findInImage(rootDir, path) !== undefined;
}

/** Where that path really leads, inside the image; `undefined` when there is nothing. */
export function findInImage(rootDir: string, path: string): string | undefined {
  try {
    return resolveInside(rootDir, path);
  } catch {
    return undefined;
  }
}

/** Follows every link of the path, taking absolute ones and `..` as chroot(2) would. @throws when a part is missing */
function resolveInside(rootDir: string, path: string): string {
  const pending = path.split("/");
  let found = "/";
  for (let links = 0; ; ) {
    const name = pending.shift();
    if (name === undefined) return found;
    if (name === "" || name === ".") continue;
    const next = join(found, name);
    if (name === ".." || !lstatSync(join(rootDir, next)).isSymbolicLink()) {
      found = next;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) throw new Error(`too many links in ${path}`);
    const target = readlinkSync(join(rootDir, next));
    if (target.startsWith("/")) found = "/";
    pending.unshift(...target.split("/"));
  }
}

/** The image may hold anything at that name: a fifo must not stop the build, nor a device be read. */
function readRegularFile(file: string): string {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const facts = fstatSync(descriptor);
    if (!facts.isFile() || facts.size > MAX_FILE_BYTES) throw new Error(`${file} is no file of usual size`);
    return readFileSync(descriptor, "utf8");
  } finally {
    closeSync(descriptor);
  }
}
