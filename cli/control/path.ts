import { createHash } from "node:crypto";
import { lstatSync, realpathSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { LarderError, systemCode } from "../../core/errors.ts";
import { makeFolder } from "../../core/folder.ts";
import type { Environment } from "../settings/directories.ts";

/** The longest path that a `sockaddr_un` holds on Linux, without its final NUL: unix(7). */
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Where the control socket of a store may be, best first:
 *
 *     $XDG_RUNTIME_DIR/larder/<first 16 hex digits of the sha256 of the root's real path>.sock
 *     /run/user/<uid>/larder/….sock        for a shell without XDG_RUNTIME_DIR (cron, su)
 *     /tmp/larder-<uid>/….sock             for a machine without run folders (a container)
 *
 * Not under TMPDIR: tools like nix-shell set it anew, and then two processes would not meet. A root that does not exist
 * has no socket: the list is empty.
 */
export function controlSocketPaths(rootDir: string, env: Environment): string[] {
  const realRoot = realPathOf(rootDir);
  if (realRoot === undefined) return [];
  const name = `${createHash("sha256").update(realRoot).digest("hex").slice(0, 16)}.sock`;
  const runtimeDir = env["XDG_RUNTIME_DIR"] ?? "";
  return [
    ...(isAbsolute(runtimeDir) ? [join(runtimeDir, "larder", name)] : []),
    join("/run/user", String(ownUid()), "larder", name),
    join("/tmp", `larder-${ownUid()}`, name),
  ].filter((path, index, paths) => paths.indexOf(path) === index && Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES);
}

/** Makes the folder 0700 where that is allowed. @returns whether it stands and is private. */
export function makePrivateFolder(folder: string): boolean {
  try {
    makeFolder(folder, 0o700);
  } catch {
    return false;
  }
  return isPrivateFolder(folder);
}

/**
 * Whether only this user can put anything into the folder. Both sides ask: in /tmp another user could have made a
 * folder of our name, and a false serve in it would be handed every download.
 */
export function isPrivateFolder(folder: string): boolean {
  const facts = lstatSync(folder, { throwIfNoEntry: false });
  return facts?.isDirectory() === true && facts.uid === ownUid() && (facts.mode & 0o077) === 0;
}

function ownUid(): number {
  if (process.getuid === undefined) throw new LarderError("INTERNAL", "larder needs a system with user ids");
  return process.getuid();
}

function realPathOf(rootDir: string): string | undefined {
  try {
    return realpathSync(rootDir);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
