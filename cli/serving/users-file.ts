import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { LarderError, systemCode } from "../../core/errors.ts";
import { makeFolder } from "../../core/folder.ts";
import { shellQuote } from "../../core/shell.ts";

/**
 * Who may come in from anywhere, one line each, in a file that only its owner can read:
 *
 *     NAME:scrypt:LOG2N:R:P:SALT:HASH        salt and hash in base64
 */
export type Users = ReadonlyMap<string, PasswordHash>;

export interface PasswordHash {
  readonly log2N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** 32 MiB and some 80 ms: what OWASP names for scrypt where several are checked at once. */
const COST = { log2N: 15, r: 8, p: 3 };
const HASH_BYTES = 32;
/** RFC 7617 §2 leaves out the colon; control characters would end a line. */
const NAME = /^[^\s:\p{Cc}]{1,64}$/u;

/** @returns no users when there is no file. @throws LarderError `CONFIG_UNREADABLE`, also when others can read it */
export function readUsers(file: string): Users {
  const text = readGuarded(file);
  const users = new Map<string, PasswordHash>();
  for (const [number, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [name = "", kind, log2N, r, p, salt = "", hash = ""] = line.split(":");
    const read = { log2N: Number(log2N), r: Number(r), p: Number(p), salt: decode(salt), hash: decode(hash) };
    const isSane = read.log2N >= 1 && read.log2N <= 20 && read.r >= 1 && read.r <= 32 && read.p >= 1 && read.p <= 16;
    if (kind !== "scrypt" || !isSane || read.hash.length !== HASH_BYTES)
      throw new LarderError(
        "CONFIG_UNREADABLE",
        `${file}: line ${number + 1} is no user; make it with larder user add`,
      );
    users.set(name, read);
  }
  return users;
}

/**
 * Tells one state of the file from another, as what is written is renamed into its place. `undefined` while it cannot
 * be seen.
 */
export function stateOfUsers(file: string): string | undefined {
  try {
    const { ino, size, ctimeNs, mode } = statSync(file, { bigint: true });
    return [ino, size, ctimeNs, mode].join(" ");
  } catch {
    // Whoever reads it is told why.
    return undefined;
  }
}

/**
 * Writes the file whole or not at all, for its owner only.
 * @throws LarderError `CONFIG_UNREADABLE` when it cannot be written
 */
export function writeUsers(file: string, users: Users): void {
  const lines = [...users].map(([name, { log2N, r, p, salt, hash }]) =>
    [name, "scrypt", log2N, r, p, salt.toString("base64"), hash.toString("base64")].join(":"),
  );
  const draft = `${file}.${process.pid}`;
  try {
    makeFolder(dirname(file), 0o700);
    writeFileSync(draft, lines.map((line) => `${line}\n`).join(""), { mode: 0o600, flag: "wx" });
    renameSync(draft, file);
  } catch (cause) {
    throw new LarderError("CONFIG_UNREADABLE", `${file} cannot be written: ${systemCode(cause)}`, { cause });
  }
}

/** @throws LarderError `USAGE` for a name that Basic credentials cannot hold */
export function checkUserName(name: string): void {
  if (!NAME.test(name))
    throw new LarderError(
      "USAGE",
      `${JSON.stringify(name)} is no user name; allowed: up to 64 characters, no space, no colon`,
    );
}

export async function hashPassword(password: string): Promise<PasswordHash> {
  const salt = randomBytes(16);
  return { ...COST, salt, hash: await derive(password, { ...COST, salt }) };
}

/** Takes the same time for a user that there is not. */
export async function isPassword(password: string, known: PasswordHash | undefined): Promise<boolean> {
  const against = known ?? NOBODY;
  const derived = await derive(password, against);
  return timingSafeEqual(derived, against.hash) && known !== undefined;
}

const NOBODY: PasswordHash = { ...COST, salt: Buffer.alloc(16), hash: Buffer.alloc(HASH_BYTES) };

function derive(password: string, { log2N, r, p, salt }: Omit<PasswordHash, "hash">): Promise<Buffer> {
  const N = 2 ** log2N;
  const options: ScryptOptions = { N, r, p, maxmem: 256 * N * r };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize("NFC"), salt, HASH_BYTES, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function decode(text: string): Buffer {
  return Buffer.from(text, "base64");
}

function readGuarded(file: string): string {
  let fd: number | undefined;
  try {
    fd = openSync(file, "r");
    if ((fstatSync(fd).mode & 0o077) !== 0)
      throw new LarderError(
        "CONFIG_UNREADABLE",
        `${file} is open to others; mend it with chmod 600 ${shellQuote(file)}`,
      );
    return readFileSync(fd, "utf8");
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return "";
    if (cause instanceof LarderError) throw cause;
    throw new LarderError("CONFIG_UNREADABLE", `${file} cannot be read: ${systemCode(cause)}`, { cause });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
