import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LarderError, systemCode } from "../../core/errors.ts";
import { ClearsignedText } from "../../ecosystems/deb/clearsign.ts";
import { LineSplitter } from "../../ecosystems/lines.ts";
import { readGpgvStatus, type SignatureVerdict } from "./gpgv-status.ts";
import { readKeyrings } from "./keyring.ts";

/** A document and the signature that is to vouch for it. */
export type Signed =
  /** `InRelease`: the signature stands around the text (RFC 9580 §7). */
  | { readonly kind: "clearsigned"; readonly message: Buffer }
  /** `Release` and `Release.gpg`, `repomd.xml` and `repomd.xml.asc`. */
  | { readonly kind: "detached"; readonly text: Buffer; readonly signature: Buffer };

/** Holds documents against the keys of the user's keyrings. */
export interface SignatureChecker {
  /** A document is good when a key of the keyrings signed all of it and no signature on it is wrong. Never rejects. */
  check(signed: Signed): Promise<SignatureVerdict>;
}

export interface SignatureOptions {
  /** Folders of public keys, read once. */
  readonly keyrings: readonly string[];
  /** Where a folder may be made for the time of a check. */
  readonly tempDir: string;
  /** The program, to be found in PATH. */
  readonly program?: string;
  readonly timeoutMs?: number;
}

/** Checks take some milliseconds; what takes longer than this hangs. */
const TIMEOUT_MS = 10_000;
/** What gpgv says of a document with a hundred signatures is far below it. */
const MAX_STATUS_BYTES = 1024 * 1024;

/**
 * Opens the checker, which has the real `gpgv` do the work.
 * @throws LarderError `CONFIG_BAD_VALUE` when gpgv is not installed, or the keyrings cannot be used.
 */
export async function openSignatures(options: SignatureOptions): Promise<SignatureChecker> {
  const { keyrings, tempDir, program = "gpgv", timeoutMs = TIMEOUT_MS } = options;
  const { error } = await run(program, ["--version"], timeoutMs);
  if (error !== undefined) throw missing(program, error);
  return new Gpgv({ program, timeoutMs, tempDir, keyring: await readKeyrings(keyrings) });
}

interface GpgvOptions {
  readonly program: string;
  readonly timeoutMs: number;
  readonly tempDir: string;
  readonly keyring: Buffer;
}

class Gpgv implements SignatureChecker {
  readonly #options: GpgvOptions;

  constructor(options: GpgvOptions) {
    this.#options = options;
  }

  async check(signed: Signed): Promise<SignatureVerdict> {
    try {
      const text = signed.kind === "clearsigned" ? signedTextOf(signed.message) : undefined;
      const folder = await mkdtemp(join(this.#options.tempDir, "larder-gpgv-"));
      try {
        return await this.#checkIn(folder, signed, text);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    } catch (error) {
      return { kind: "bad", reason: reasonOf(error) };
    }
  }

  /** @param expected what the readers of metadata take for the signed text. */
  async #checkIn(folder: string, signed: Signed, expected: string | undefined): Promise<SignatureVerdict> {
    const { program, timeoutMs, keyring } = this.#options;
    const [keys, text, signature, output] = ["keyring.gpg", "text", "signature", "signed"].map((name) =>
      join(folder, name),
    ) as [string, string, string, string];
    await writeFile(keys, keyring);
    await writeFile(text, signed.kind === "detached" ? signed.text : signed.message);
    if (signed.kind === "detached") await writeFile(signature, signed.signature);
    const documents = signed.kind === "detached" ? [signature, text] : ["--output", output, text];
    // apt takes no SHA-1 for a signature either: collisions can be bought.
    const flags = ["--homedir", folder, "--status-fd", "1", "--weak-digest", "SHA1", "--keyring", keys];
    const { stdout, error } = await run(program, [...flags, ...documents], timeoutMs);
    if (error?.killed === true) return { kind: "bad", reason: `gpgv took longer than ${timeoutMs} ms` };
    if (error !== undefined && typeof error.code !== "number") throw error;
    const verdict = readGpgvStatus(stdout);
    if (verdict.kind === "bad" || expected === undefined) return verdict;
    if (linesOf(await readFile(output)) === expected) return verdict;
    return { kind: "bad", reason: "what gpgv found signed is not what stands in it" };
  }
}

/** @throws LarderError `METADATA_BROKEN` when anything stands outside of the signed text, or the end is missing. */
function signedTextOf(message: Buffer): string {
  const lines: string[] = [];
  const clearsigned = new ClearsignedText((bytes, start, end) => lines.push(bytes.toString("latin1", start, end)));
  const splitter = new LineSplitter((bytes, start, end) => clearsigned.line(bytes, start, end));
  splitter.push(message);
  splitter.push(Uint8Array.of(0x0a));
  clearsigned.finish();
  return joined(lines);
}

function linesOf(text: Buffer): string {
  return joined(text.toString("latin1").replace(/\n$/, "").split("\n"));
}

/** White space at the end of a line is not signed (RFC 9580 §7.2). */
function joined(lines: readonly string[]): string {
  return lines.map((line) => line.replace(/[ \t\r]+$/, "")).join("\n");
}

interface Ran {
  readonly stdout: string;
  /** Why it did not end with exit code 0. */
  readonly error: (Error & { readonly code?: unknown; readonly killed?: boolean }) | undefined;
}

/** Runs a program to its end, which comes by force after that time. */
function run(program: string, args: readonly string[], timeoutMs: number): Promise<Ran> {
  const options = { timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: MAX_STATUS_BYTES } as const;
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout) => resolve({ stdout, error: error ?? undefined }));
  });
}

function missing(program: string, cause: Error): LarderError {
  const fault = systemCode(cause) === "ENOENT" ? "is not installed" : `does not run (${cause.message})`;
  const cure = "install the package gpgv (Fedora and openSUSE: gpg2 or gnupg2), or set verifySignatures to off";
  return new LarderError("CONFIG_BAD_VALUE", `verifySignatures needs the program ${program}, which ${fault}; ${cure}`, {
    cause,
  });
}

function reasonOf(error: unknown): string {
  if (error instanceof LarderError) return String(error.details["reason"] ?? error.message);
  return error instanceof Error ? `gpgv could not be asked: ${error.message}` : String(error);
}
