import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { LarderError } from "../../core/errors.ts";

const KEY_FILE = /\.(?:gpg|asc)$/;
const ARMOR = /-----BEGIN PGP PUBLIC KEY BLOCK-----([\s\S]*?)-----END PGP PUBLIC KEY BLOCK-----/g;
/** How GnuPG's keybox files begin: a header blob, whose magic stands at its ninth octet. */
const KEYBOX_MAGIC = "KBXf";
/**
 * The public-key packet, with which every transferable public key begins (RFC 9580 §10.1): tag 6 in old and new form.
 */
const PUBLIC_KEY_TAGS: ReadonlySet<number> = new Set([0x98, 0x99, 0x9a, 0xc6]);

/**
 * Reads every `*.gpg` and `*.asc` file of the folders, as distributions ship them, into one binary keyring: gpgv reads
 * neither armor nor folders.
 * @throws LarderError `CONFIG_BAD_VALUE` when a folder or file cannot be read, a file holds no public key, or there is
 * none.
 */
export async function readKeyrings(folders: readonly string[]): Promise<Buffer> {
  const files = (await Promise.all(folders.map(keyFilesOf))).flat();
  if (files.length > 0) return Buffer.concat(await Promise.all(files.map(readKeyFile)));
  throw badKeyrings(`${folders.join(", ")} holds no *.gpg or *.asc file; put the repositories' public keys there`);
}

async function keyFilesOf(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw badKeyrings(`${folder} is no folder that can be read: name one that holds public keys`, error);
  });
  return names
    .filter((name) => KEY_FILE.test(name))
    .sort()
    .map((name) => join(folder, name));
}

/** The bytes tell whether a file is armoured: many an armoured key is called `.gpg`. */
async function readKeyFile(file: string): Promise<Buffer> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw badKeyrings(`${file} cannot be read`, error);
  });
  if (bytes.toString("latin1", 8, 12) === KEYBOX_MAGIC)
    throw badKeyrings(
      `${file} is a keybox of GnuPG, which other programs cannot read: export its keys by gpg --export`,
    );
  const keys = dearmored(bytes.toString("latin1")) ?? bytes;
  if (PUBLIC_KEY_TAGS.has(keys[0] ?? 0)) return keys;
  throw badKeyrings(`${file} holds no public key; export one by gpg --export, or remove the file`);
}

/** The packets of every armoured key in the text (RFC 9580 §6.2); `undefined` when there is none. */
function dearmored(text: string): Buffer | undefined {
  const blocks = [...text.matchAll(ARMOR)].map(([, block = ""]) => {
    const [, ...lines] = block.split(/\r?\n/);
    const endOfHeaders = lines.findIndex((line) => line.trim() === "");
    // The line that begins with "=" is the checksum.
    const encoded = lines.slice(endOfHeaders + 1).filter((line) => !line.startsWith("="));
    return Buffer.from(encoded.join(""), "base64");
  });
  return blocks.length === 0 ? undefined : Buffer.concat(blocks);
}

function badKeyrings(message: string, cause?: unknown): LarderError {
  const reason = cause instanceof Error ? ` (${cause.message})` : "";
  return new LarderError("CONFIG_BAD_VALUE", `keyrings: ${message}${reason}`, { cause });
}
