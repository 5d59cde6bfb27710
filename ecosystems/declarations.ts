import { type DigestAlgorithm, isStrong } from "../core/declaration.ts";
import {
  brokenMetadata,
  type Declared,
  type DeclaredContent,
  type DeclaredDigest,
  type Emit,
  type ReadOutcome,
} from "./metadata.ts";

/** Length of a digest in hex digits; the order is by strength, best first. */
const HEX_DIGITS: Readonly<Record<DigestAlgorithm, number>> = {
  sha512: 128,
  sha384: 96,
  sha256: 64,
  sha1: 40,
  md5: 32,
};
const BY_STRENGTH = Object.keys(HEX_DIGITS) as readonly DigestAlgorithm[];
/** The largest repositories (Debian, Fedora, openSUSE) have 70,000 packages; a document with this many is an attack. */
const MAX_DECLARATIONS = 500_000;

/** Digests as a document writes them, by algorithm. */
export type WrittenDigests = Readonly<Partial<Record<DigestAlgorithm, string | undefined>>>;

/** @returns the digests that are well formed, as {@link DeclaredContent} orders them. */
export function orderDigests(written: WrittenDigests): readonly DeclaredDigest[] {
  const digests: DeclaredDigest[] = [];
  for (const algorithm of BY_STRENGTH) {
    const digest = written[algorithm]?.toLowerCase();
    if (digest === undefined || digest.length !== HEX_DIGITS[algorithm] || !/^[0-9a-f]+$/.test(digest)) continue;
    // Weak ones are told only where nothing better is.
    if (digests.length > 0 && !isStrong(algorithm)) break;
    digests.push({ algorithm, digest });
  }
  return digests;
}

/**
 * The algorithm of that name in any usual spelling (`SHA256`, `sha-256`, createrepo's `sha`); `undefined` when larder
 * has none.
 */
export function algorithmNamed(name: string): DigestAlgorithm | undefined {
  const plain = name.toLowerCase().replace("-", "");
  const algorithm = plain === "sha" ? "sha1" : plain === "md5sum" ? "md5" : plain;
  return BY_STRENGTH.find((known) => known === algorithm);
}

/** The digest in `<algorithm> <hex>`; none when it is not of a kind that larder can compute. */
export function parseDigests(text: string | undefined): readonly DeclaredDigest[] {
  const [, name, hex] = /^(\S+) (\S+)$/.exec(text ?? "") ?? [];
  const algorithm = algorithmNamed(name ?? "");
  return algorithm === undefined ? [] : orderDigests({ [algorithm]: hex });
}

/** @returns `undefined` when the text is not a number of bytes. */
export function parseBytes(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

/** What a reader says of one file; what is left out is `undefined`. */
export type Statement = Pick<Declared, "kind" | "path"> & DeclaredContent & Partial<Declared>;

/** Collects what one document declares: emits it, and notices when the document contradicts itself. */
export class Declarations {
  readonly #emit: Emit;
  readonly #contents = new Map<string, string>();
  readonly #ambiguous = new Set<string>();
  #declared = 0;
  #skipped = 0;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  /**
   * Emits a declaration, unless it was emitted already. A path that comes back with other content is remembered as
   * ambiguous: whichever of the two is right, a client might have been told the other.
   * @param statement `undefined` for a file that is described in a way that cannot be believed, which is only counted.
   * @throws LarderError `METADATA_BROKEN` when there are too many.
   */
  add(statement: Statement | undefined): void {
    const strongest = statement?.digests[0];
    if (statement === undefined || strongest === undefined) {
      this.#skipped += 1;
      return;
    }
    const place = statement.base === undefined ? statement.path : statement.base + statement.path;
    const content = `${strongest.digest} ${statement.bytes ?? ""}`;
    const before = this.#contents.get(place);
    if (before === content) return;
    if (before !== undefined) {
      this.#ambiguous.add(place);
      return;
    }
    if (this.#declared >= MAX_DECLARATIONS) throw brokenMetadata(`it declares more than ${MAX_DECLARATIONS} files`);
    this.#contents.set(place, content);
    this.#declared += 1;
    this.#emit(complete(statement));
  }

  /** The outcome of a document that is neither a root nor a list of mirrors. */
  outcome(): ReadOutcome {
    return {
      declared: this.#declared,
      skipped: this.#skipped,
      ambiguous: this.#ambiguous,
      root: undefined,
      mirrors: undefined,
    };
  }
}

/** One shape for all: what the engine does with them runs a hundred thousand times. */
function complete(statement: Statement): Declared {
  return {
    kind: statement.kind,
    path: statement.path,
    base: statement.base,
    digests: statement.digests,
    bytes: statement.bytes,
    opened: statement.opened,
    document: statement.document,
    name: statement.name,
    version: statement.version,
    arch: statement.arch,
    publishedMs: statement.publishedMs,
  };
}
