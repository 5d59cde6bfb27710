import { createPrivateKey, type KeyObject } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, type Stats, statSync } from "node:fs";
import { LarderError } from "../core/errors.ts";
import { shellQuote } from "../core/shell.ts";
import { unreadable } from "./read.ts";

/** Permission bits of group and others. An ACL that lets anyone else in shows in them as well, as the mask. */
const OPEN_TO_OTHERS = 0o077;
/** The first line of a key that asks for a pass phrase, in PKCS#8 and in the older forms. */
const ENCRYPTED_KEY = /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/;

/**
 * Reads a CA key that nobody but this user can read (root can read every file, which no mode prevents).
 *
 * A key that belongs to another user is refused even where this user is root and could read it: its owner could sign
 * for any host that root's clients ask for.
 * @throws LarderError `CA_KEY_EXPOSED`, `CA_UNREADABLE`
 */
export function readPrivateKey(file: string): KeyObject {
  const pem = readGuarded(file);
  if (ENCRYPTED_KEY.test(pem)) {
    const cure = `decrypt it with openssl pkey -in ${shellQuote(file)} -out FILE and name that file`;
    throw new LarderError("CA_UNUSABLE", `${file} is locked with a pass phrase; ${cure}`, { details: { file } });
  }
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw unreadable(file, "holds no PEM private key", error);
  }
}

/**
 * @throws LarderError `CA_KEY_EXPOSED` when others can list or enter the folder, `CA_UNREADABLE` when it is not there
 */
export function requirePrivateFolder(folder: string): void {
  try {
    refuseIfExposed(folder, { stats: statSync(folder), wanted: "700" });
  } catch (error) {
    throw error instanceof LarderError ? error : unreadable(folder, "cannot be examined", error);
  }
}

/** Checks and reads through one descriptor, so that what was checked is what is read. */
function readGuarded(file: string): string {
  let fd: number | undefined;
  try {
    fd = openSync(file, "r");
    refuseIfExposed(file, { stats: fstatSync(fd), wanted: "600" });
    return readFileSync(fd, "utf8");
  } catch (error) {
    if (error instanceof LarderError) throw error;
    throw unreadable(file, "cannot be read", error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function refuseIfExposed(path: string, { stats, wanted }: { readonly stats: Stats; readonly wanted: string }): void {
  const uid = process.geteuid?.();
  if (uid !== undefined && stats.uid !== uid) {
    const cure = `chown ${uid} ${shellQuote(path)}`;
    const message = `${path} belongs to user ${stats.uid}, who could then sign for every host; make it yours: ${cure}`;
    throw new LarderError("CA_KEY_EXPOSED", message, { details: { path, owner: stats.uid, cure } });
  }
  if ((stats.mode & OPEN_TO_OTHERS) !== 0) {
    const cure = `chmod ${wanted} ${shellQuote(path)}`;
    const mode = (stats.mode & 0o777).toString(8);
    const message = `other users can get at the CA key: ${path} has mode ${mode}; mend it: ${cure}`;
    throw new LarderError("CA_KEY_EXPOSED", message, { details: { path, mode, cure } });
  }
}
