import type { DigestAlgorithm } from "../../core/declaration.ts";
import { Declarations } from "../declarations.ts";
import type { Facts } from "../facts.ts";
import { LineSplitter } from "../lines.ts";
import {
  brokenMetadata,
  type DeclaredDigest,
  type Emit,
  type MetadataReader,
  type ReadOutcome,
  type RootFacts,
} from "../metadata.ts";
import { canonicalPath } from "../repository-path.ts";
import { ClearsignedText } from "./clearsign.ts";
import { ControlReader } from "./control.ts";
import { debDocument } from "./documents.ts";
import { FileLists } from "./file-lists.ts";

/** The fields that list files, by digest; the folders below `by-hash/` have the same names. */
const LISTS: ReadonlyMap<DigestAlgorithm, string> = new Map([
  ["sha512", "SHA512"],
  ["sha256", "SHA256"],
  ["sha1", "SHA1"],
  ["md5", "MD5Sum"],
]);
const FACTS = ["origin", "suite", "codename", "date", "valid-until", "acquire-by-hash"];
const WANTED = [...FACTS, ...[...LISTS.values()].map((field) => field.toLowerCase())];
/** `apt-ftparchive release . > Release` lists the file that is being written; no root can know its own digest. */
const ROOTS: ReadonlySet<string> = new Set(["InRelease", "Release", "Release.gpg"]);
const COMPRESSED = /\.(?:xz|gz|zst|bz2|lzma|lz4)$/;

/** Reads `Release`, and the signed text of `InRelease`. @see https://wiki.debian.org/DebianRepository/Format */
export class ReleaseReader implements MetadataReader {
  readonly #declarations: Declarations;
  readonly #scope: string;
  readonly #lines: LineSplitter;
  readonly #control = new ControlReader(WANTED, (stanza) => this.#take(stanza));
  readonly #clearsigned: ClearsignedText | undefined;
  #stanza: Facts | undefined;

  /** @param scope the folder of the document, to which its lists are relative; empty, or ends in `/`. */
  constructor(scope: string, isClearsigned: boolean, emit: Emit) {
    this.#declarations = new Declarations(emit);
    this.#scope = scope;
    const control = this.#control;
    this.#clearsigned = isClearsigned ? new ClearsignedText((...line) => control.line(...line)) : undefined;
    const lines = this.#clearsigned ?? control;
    this.#lines = new LineSplitter((bytes, start, end) => lines.line(bytes, start, end));
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  finish(): ReadOutcome {
    // The last line of a clearsigned message tells by itself that nothing is missing.
    if (this.#clearsigned !== undefined) this.#lines.push(Uint8Array.of(0x0a));
    this.#lines.finish();
    this.#clearsigned?.finish();
    this.#control.finish();
    const stanza = this.#stanza;
    if (stanza === undefined) throw brokenMetadata("it has none of the fields of a Release file");
    const hasByHash = stanza.get("acquire-by-hash")?.toLowerCase() === "yes";
    const files = new FileLists();
    for (const [algorithm, field] of LISTS) files.add(algorithm, stanza.get(field.toLowerCase()));
    for (const name of files.names()) this.#declare(name, files, hasByHash);
    return { ...this.#declarations.outcome(), root: readFacts(stanza) };
  }

  #take(stanza: Facts): void {
    if (this.#stanza !== undefined) throw brokenMetadata("a Release file has one paragraph, and it has more");
    if (stanza.contradicts) throw brokenMetadata("a field stands in it twice, with different values");
    this.#stanza = stanza;
  }

  #declare(name: string, files: FileLists, hasByHash: boolean): void {
    const path = canonicalPath(name);
    if (path !== undefined && ROOTS.has(path)) return;
    const content = files.contentOf(name);
    if (path === undefined || content === undefined) {
      this.#declarations.add(undefined);
      return;
    }
    const opened = COMPRESSED.test(name) ? files.contentOf(name.replace(COMPRESSED, "")) : undefined;
    const member = { kind: "member", ...content, opened, document: debDocument(path) } as const;
    this.#declarations.add({ ...member, path: this.#scope + path });
    if (!hasByHash) return;
    const folder = this.#scope + path.slice(0, path.lastIndexOf("/") + 1);
    for (const digest of content.digests) this.#declarations.add({ ...member, path: folder + byHash(digest) });
  }
}

/** The name by which apt asks for a member when the Release says `Acquire-By-Hash: yes`. */
function byHash({ algorithm, digest }: DeclaredDigest): string {
  return `by-hash/${LISTS.get(algorithm)}/${digest}`;
}

function readFacts(stanza: Facts): RootFacts {
  return {
    publishedMs: parseDate(stanza.get("date")),
    expiresMs: parseDate(stanza.get("valid-until")),
    origin: stanza.get("origin"),
    suite: stanza.get("suite"),
    codename: stanza.get("codename"),
    revision: undefined,
  };
}

/** Release files write RFC 5322 dates in UTC. */
function parseDate(text: string | undefined): number | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
