import { Declarations, parseBytes, parseDigests, type Statement } from "../declarations.ts";
import { Facts } from "../facts.ts";
import type { DeclaredContent, DocumentKind, Emit, MetadataDocument, ReadOutcome, RootFacts } from "../metadata.ts";
import type { XmlElement } from "../xml.ts";
import { REPOMD_PATH, rpmCompression } from "./locate.ts";
import { type Location, locationIn, readLocation, setLocation } from "./location.ts";
import { XmlDocument } from "./xml-document.ts";

const TEXTS = new Set(["revision", "checksum", "open-checksum", "size", "open-size", "timestamp"]);
/** The types of data for which there is a reader; createrepo_c adds `_zck` to those of zchunk files. */
const KINDS: ReadonlyMap<string, DocumentKind> = new Map([
  ["primary", "rpm-primary"],
  ["deltainfo", "rpm-deltainfo"],
  ["prestodelta", "rpm-deltainfo"],
]);
/** No root can know its own digest, and its signature comes after it. */
const ROOTS: ReadonlySet<string> = new Set([REPOMD_PATH, `${REPOMD_PATH}.asc`, `${REPOMD_PATH}.key`]);

/** Reads `repomd.xml`: what else is in `repodata/`. */
export class RepomdReader extends XmlDocument {
  readonly #declarations: Declarations;
  readonly #base: string;
  /** Of the `<data>` that is being read. */
  #facts = new Facts();
  #revision: string | undefined;
  #publishedMs: number | undefined;

  /** @param base the repository's base, to tell whether a location is in it. */
  constructor(base: string, emit: Emit) {
    super({ roots: ["repomd"], levels: 3, texts: TEXTS });
    this.#declarations = new Declarations(emit);
    this.#base = base;
  }

  protected outcome(): ReadOutcome {
    const unsaid = { expiresMs: undefined, origin: undefined, suite: undefined, codename: undefined };
    const root: RootFacts = { ...unsaid, publishedMs: this.#publishedMs, revision: this.#revision };
    return { ...this.#declarations.outcome(), root };
  }

  protected take({ name, attributes, text, parents }: XmlElement): void {
    if (parents.at(-1) === "data") {
      if (name === "location") setLocation(this.#facts, readLocation(attributes, this.#base));
      else if (name.endsWith("checksum")) this.#facts.set(name, `${attributes["type"]} ${text}`);
      else this.#facts.set(name, text);
    } else if (name === "data") this.#declare(attributes["type"]);
    else if (name === "revision") this.#revision = text;
  }

  #declare(type: string | undefined): void {
    const facts = this.#facts;
    this.#facts = new Facts();
    const seconds = parseBytes(facts.get("timestamp"));
    if (seconds !== undefined) this.#publishedMs = Math.max(this.#publishedMs ?? 0, seconds * 1000);
    const location = locationIn(facts);
    if (location === undefined || !ROOTS.has(location.path)) this.#declarations.add(statementOf(type, location, facts));
  }
}

function statementOf(type: string | undefined, location: Location | undefined, facts: Facts): Statement | undefined {
  if (location === undefined || facts.contradicts) return undefined;
  return {
    kind: "member",
    ...location,
    digests: parseDigests(facts.get("checksum")),
    bytes: parseBytes(facts.get("size")),
    opened: openedContent(facts),
    document: documentOf(type, location.path),
    name: type,
  };
}

function openedContent(facts: Facts): DeclaredContent | undefined {
  const digests = parseDigests(facts.get("open-checksum"));
  return digests.length === 0 ? undefined : { digests, bytes: parseBytes(facts.get("open-size")) };
}

function documentOf(type: string | undefined, path: string): MetadataDocument | undefined {
  const kind = KINDS.get(type?.replace(/_zck$/, "") ?? "");
  return kind === undefined ? undefined : { kind, compression: rpmCompression(path) };
}
