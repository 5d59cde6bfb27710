import { Parser } from "htmlparser2";
import { algorithmNamed, type WrittenDigests } from "../declarations.ts";
import { brokenMetadata, type ReadOutcome } from "../metadata.ts";
import { ownText } from "../xml.ts";
import { type IndexedFiles, isDistribution } from "./files.ts";

/** Longer than any tag or comment ever seen: what the parser must hold until it can report it. */
const MAX_TOKEN_BYTES = 4 * 1024 * 1024;
/** How much is parsed between two looks at that limit. */
const SLICE_BYTES = 64 * 1024;
/** Elements that, once opened, must be closed: else the end of the page is missing. */
const CLOSED: ReadonlySet<string> = new Set(["html", "body", "a"]);
/** As pip reads it: the first of them counts. */
const FRAGMENT = /[#&]([a-z0-9]+)=([^&]+)/;

type Attributes = Readonly<Record<string, string | undefined>>;

/** Reads a project's page in HTML (PEP 503). */
export class HtmlPage {
  readonly #files: IndexedFiles;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  readonly #open = new Set<string>();
  #hasLinks = false;
  #hasBase = false;
  #tokenBytes = 0;
  /** The last thing read was a `<` that no `>` has followed. */
  #isInTag = false;
  readonly #parser = new Parser({
    onopentag: (name, attributes) => this.#take(name, attributes),
    onclosetag: (name, isImplied) => {
      this.#tokenBytes = 0;
      if (!isImplied) this.#open.delete(name);
    },
    ontext: () => {
      this.#tokenBytes = 0;
    },
  });

  constructor(files: IndexedFiles) {
    this.#files = files;
  }

  push(chunk: Uint8Array): void {
    for (let start = 0; start < chunk.length; start += SLICE_BYTES) {
      const slice = chunk.subarray(start, start + SLICE_BYTES);
      this.#tokenBytes += slice.length;
      this.#write(() => this.#decoder.decode(slice, { stream: true }));
      if (this.#tokenBytes > MAX_TOKEN_BYTES)
        throw brokenMetadata(`a tag or comment in it is longer than ${MAX_TOKEN_BYTES} bytes`);
    }
  }

  finish(): ReadOutcome {
    this.#write(() => this.#decoder.decode());
    if (this.#isInTag) throw brokenMetadata("it is cut short: it ends in a tag");
    const [open] = this.#open;
    if (open !== undefined) throw brokenMetadata(`it is cut short: its element ${open} has no end`);
    this.#parser.end();
    return this.#files.outcome();
  }

  #write(decode: () => string): void {
    let text: string;
    try {
      text = decode();
    } catch (error) {
      throw brokenMetadata("it is not in UTF-8", error);
    }
    const [opened, closed] = [text.lastIndexOf("<"), text.lastIndexOf(">")];
    if (opened !== closed) this.#isInTag = opened > closed;
    this.#parser.write(text);
  }

  #take(name: string, attributes: Attributes): void {
    this.#tokenBytes = 0;
    if (CLOSED.has(name)) this.#open.add(name);
    if (name === "base") this.#rebase(attributes["href"]);
    if (name !== "a") return;
    this.#hasLinks = true;
    const href = attributes["href"]?.trim();
    if (href !== undefined && isDistribution(href.replace(/[?#].*$/, ""))) this.#files.add(fileOf(href, attributes));
  }

  /** The first one counts, for the whole page. */
  #rebase(href: string | undefined): void {
    if (href === undefined || this.#hasBase) return;
    if (this.#hasLinks) throw brokenMetadata("it names its base after links that are relative to it");
    if (!URL.canParse(href, this.#files.relativeTo)) throw brokenMetadata("its base is no URL");
    this.#hasBase = true;
    this.#files.relativeTo = new URL(href, this.#files.relativeTo).href;
  }
}

function fileOf(href: string, attributes: Attributes): Parameters<IndexedFiles["add"]>[0] {
  const hash = href.indexOf("#");
  // PEP 714: who writes both means the new one.
  const metadata = attributes["data-core-metadata"] ?? attributes["data-dist-info-metadata"];
  return {
    url: ownText(href),
    digests: digestsIn(hash < 0 ? "" : href.slice(hash)),
    metadata: metadata === undefined ? undefined : digestsIn(`#${metadata}`),
  };
}

/** `#sha256=<hex>`; `true` in place of it tells that there is a file, and not what is in it. */
function digestsIn(fragment: string): WrittenDigests {
  const [, name = "", hex] = FRAGMENT.exec(fragment) ?? [];
  const algorithm = algorithmNamed(name);
  return algorithm === undefined ? {} : { [algorithm]: hex };
}
