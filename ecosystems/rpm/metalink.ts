import { algorithmNamed, orderDigests, parseBytes, type WrittenDigests } from "../declarations.ts";
import { Facts } from "../facts.ts";
import { brokenMetadata, type MirroredRoot, type ReadOutcome } from "../metadata.ts";
import { canonicalUri, targetOf } from "../repository-path.ts";
import type { XmlAttributes, XmlElement } from "../xml.ts";
import { REPOMD_PATH } from "./locate.ts";
import { XmlDocument } from "./xml-document.ts";

const TEXTS = new Set(["hash", "size", "timestamp", "url"]);
const ALGORITHMS = ["sha512", "sha384", "sha256", "sha1", "md5"] as const;
/**
 * A mirror without preference comes last; so it is in mirrormanager's `preference` (100 best) and RFC 5854's `priority`
 * (1 best).
 */
const LAST_RANK = 1_000_000;

interface RankedMirror {
  readonly base: string;
  readonly rank: number;
}

/**
 * Reads a metalink about a `repomd.xml`: Metalink 3 as mirrormanager writes it, with the roots that lagging mirrors may
 * still serve (`mm0:alternates`), or Metalink 4 (RFC 5854).
 * @see https://www.metalinker.org/Metalink_3.0_Spec.pdf
 */
export class MetalinkReader extends XmlDocument {
  /** Of the `<file>` and the `<alternate>` that are being read. */
  #file = new Facts();
  #alternate = new Facts();
  #alternates: Facts[] = [];
  #mirrors: RankedMirror[] = [];
  #skipped = 0;
  /** The roots of `repomd.xml`, once its `<file>` has been read. */
  #roots: readonly MirroredRoot[] | undefined;
  #bases: readonly string[] = [];

  constructor() {
    super({ roots: ["metalink"], levels: 7, texts: TEXTS });
  }

  protected outcome(): ReadOutcome {
    if (this.#roots === undefined) throw brokenMetadata("it does not speak about a repomd.xml");
    const mirrors = { bases: this.#bases, roots: this.#roots };
    return { declared: 0, skipped: this.#skipped, ambiguous: new Set(), root: undefined, mirrors };
  }

  protected take({ name, attributes, text, parents }: XmlElement): void {
    const facts = parents.includes("alternate") ? this.#alternate : this.#file;
    switch (name) {
      case "hash":
        facts.set(algorithmNamed(attributes["type"] ?? "") ?? "", text);
        break;
      case "size":
      case "timestamp":
        facts.set(name, text);
        break;
      case "url":
        this.#addMirror(text, attributes);
        break;
      case "alternate":
        this.#alternates.push(this.#alternate);
        this.#alternate = new Facts();
        break;
      case "file":
        this.#endFile(attributes["name"]);
        break;
    }
  }

  #addMirror(url: string, attributes: XmlAttributes): void {
    const target = targetOf(url);
    const uri = target === undefined ? undefined : canonicalUri(target);
    if (uri?.endsWith(`/${REPOMD_PATH}`))
      this.#mirrors.push({ base: uri.slice(0, -REPOMD_PATH.length), rank: rankOf(attributes) });
    else this.#skipped += 1;
  }

  #endFile(name: string | undefined): void {
    if (name === "repomd.xml") {
      if (this.#roots !== undefined) throw brokenMetadata("it speaks about repomd.xml twice");
      this.#roots = [this.#file, ...this.#alternates].flatMap((facts) => this.#rootOf(facts));
      const ranked = this.#mirrors.sort((a, b) => a.rank - b.rank);
      this.#bases = [...new Set(ranked.map(({ base }) => base))];
    }
    this.#file = new Facts();
    this.#alternates = [];
    this.#mirrors = [];
  }

  #rootOf(facts: Facts): MirroredRoot[] {
    const written: WrittenDigests = Object.fromEntries(
      ALGORITHMS.map((algorithm) => [algorithm, facts.get(algorithm)]),
    );
    const digests = orderDigests(written);
    const seconds = parseBytes(facts.get("timestamp"));
    if (digests.length === 0 || facts.contradicts) {
      this.#skipped += 1;
      return [];
    }
    const publishedMs = seconds === undefined ? undefined : seconds * 1000;
    return [{ path: REPOMD_PATH, digests, bytes: parseBytes(facts.get("size")), publishedMs }];
  }
}

function rankOf({ preference, priority }: XmlAttributes): number {
  const best = parseBytes(priority);
  if (best !== undefined) return best;
  const worst = parseBytes(preference);
  return worst === undefined ? LAST_RANK : LAST_RANK - worst;
}
