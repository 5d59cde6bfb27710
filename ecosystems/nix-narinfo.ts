import { Declarations, parseBytes, type Statement } from "./declarations.ts";
import { locateTarget } from "./document-url.ts";
import { LineSplitter } from "./lines.ts";
import { brokenMetadata, type Emit, type MetadataReader, type ReadOutcome } from "./metadata.ts";
import { parseNixHash } from "./nix-hash.ts";

/** What a narinfo says once; Nix refuses one that says it twice, or leaves one of the first four out. */
const REQUIRED = ["StorePath", "URL", "NarHash", "NarSize"] as const;
const SINGLE: ReadonlySet<string> = new Set([
  ...REQUIRED,
  "Compression",
  "FileHash",
  "FileSize",
  "References",
  "Deriver",
]);
/** The largest have some thousand references of a hundred characters. */
const MAX_BYTES = 1024 * 1024;

/** The fields of a narinfo that say something once; `Sig` may come several times. */
interface Narinfo {
  field(name: string): string | undefined;
  readonly signatures: readonly string[];
}

/** Collects the lines of a narinfo: `Name: value`, each with an end. */
class NarinfoFields implements Narinfo {
  readonly #fields = new Map<string, string>();
  readonly signatures: string[] = [];

  /** @throws LarderError `METADATA_BROKEN` */
  take(line: string): void {
    const colon = line.indexOf(": ");
    const isEmpty = line.endsWith(":") && line.indexOf(":") === line.length - 1;
    if (colon < 1 && !isEmpty) throw brokenMetadata("a line in it is not of the form `Name: value`");
    const name = isEmpty ? line.slice(0, -1) : line.slice(0, colon);
    const value = isEmpty ? "" : line.slice(colon + 2);
    if (name === "Sig") this.signatures.push(value);
    if (!SINGLE.has(name)) return;
    if (this.#fields.has(name)) throw brokenMetadata(`it says ${name} twice`);
    this.#fields.set(name, value);
  }

  field(name: string): string | undefined {
    return this.#fields.get(name);
  }

  /** @throws LarderError `METADATA_BROKEN` when something is missing that every narinfo has. */
  finish(): void {
    for (const name of REQUIRED) if (!this.#fields.get(name)) throw brokenMetadata(`it does not say ${name}`);
  }
}

/**
 * Reads the path info of a Nix binary cache: the nar that it names, with the hash and size of the file as it is served.
 * @see https://nix.dev/manual/nix/latest/protocols/binary-cache
 */
export class NarinfoReader implements MetadataReader {
  readonly #base: string;
  readonly #declarations: Declarations;
  readonly #fields = new NarinfoFields();
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true });
  readonly #lines = new LineSplitter((bytes, start, end) =>
    this.#fields.take(this.#decode(bytes.subarray(start, end))),
  );
  #bytes = 0;

  /** @param base of the cache: what its `URL:` is below. */
  constructor(base: string, emit: Emit) {
    this.#base = base;
    this.#declarations = new Declarations(emit);
  }

  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_BYTES) throw brokenMetadata(`it is larger than ${MAX_BYTES} bytes`);
    this.#lines.push(chunk);
  }

  finish(): ReadOutcome {
    this.#lines.finish();
    this.#fields.finish();
    this.#declarations.add(statementOf(this.#fields, this.#base));
    return this.#declarations.outcome();
  }

  #decode(line: Uint8Array): string {
    try {
      return this.#utf8.decode(line);
    } catch (error) {
      throw brokenMetadata("it is not in UTF-8", error);
    }
  }
}

/** What is not packed has the hash and size of the nar; caches that make nars as they are asked for say no other. */
function statementOf(narinfo: Narinfo, base: string): Statement | undefined {
  const url = narinfo.field("URL") ?? "";
  // Nix puts it behind the cache's own URL as it stands (http-binary-cache-store.cc).
  const location = locateTarget(/^https?:\/\//.test(url) ? url : base + url, base);
  const [hash, size] = narinfo.field("FileHash")
    ? [narinfo.field("FileHash"), narinfo.field("FileSize")]
    : narinfo.field("Compression") === "none"
      ? [narinfo.field("NarHash"), narinfo.field("NarSize")]
      : [];
  const digest = parseNixHash(hash ?? "");
  if (location === undefined || digest === undefined) return undefined;
  const bytes = parseBytes(size);
  return {
    kind: "payload",
    ...location,
    digests: [digest],
    bytes: bytes === 0 ? undefined : bytes,
    name: nameOf(narinfo.field("StorePath") ?? ""),
  };
}

/** `/nix/store/<hash>-<name>` without the hash. */
function nameOf(storePath: string): string {
  return storePath.slice(storePath.lastIndexOf("/") + 1).replace(/^[0-9a-z]{32}-/, "");
}
