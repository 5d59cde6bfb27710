import { SaxesParser } from "saxes";
import { brokenMetadata, parseAs } from "./metadata.ts";

/** Repository metadata nests six deep; each level that is open costs memory. */
const MAX_DEPTH = 64;
/** Longer than any description or tag ever seen: what saxes must hold until it can report it. */
const MAX_TOKEN_BYTES = 4 * 1024 * 1024;
/** How much is parsed between two looks at that limit. */
const SLICE_BYTES = 64 * 1024;
/** The names of UTF-8 and of its part; a document in anything else is not what createrepo_c or mirrormanager write. */
const ENCODINGS: ReadonlySet<string> = new Set(["utf-8", "utf8", "us-ascii", "ascii"]);

export type XmlAttributes = Readonly<Record<string, string | undefined>>;

/** An element that has been read whole; names are without prefix. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: XmlAttributes;
  /** Trimmed; empty unless it was asked for. */
  readonly text: string;
  /** The names of the elements that it stands in, the root first; valid during the call. */
  readonly parents: readonly string[];
}

/** What a reader wants of a document. */
export interface XmlShape {
  /** The root element must have one of these names. */
  readonly roots: readonly string[];
  /** How many levels are of interest; the root is the first. */
  readonly levels: number;
  /** The elements whose text is wanted; they may not hold other elements. */
  readonly texts: ReadonlySet<string>;
  /** Takes each element of these levels at its end, so what an element holds comes before it. */
  readonly onElement: (element: XmlElement) => void;
}

/**
 * Reads XML as it passes, in bounded memory. Document type declarations are refused, and with them every entity but the
 * five of XML itself and character references: nothing expands, nothing outside is looked at.
 */
export class XmlReader {
  readonly #shape: XmlShape;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  readonly #parser = new SaxesParser({ xmlns: false, position: false });
  /** The text of the element that is being read, if it is wanted. */
  #text: string | undefined;
  /** The names of the open elements of the levels that are of interest. */
  readonly #names: string[] = [];
  #depth = 0;
  #tokenBytes = 0;
  readonly #onText = (text: string): void => {
    this.#tokenBytes = 0;
    if (this.#text === undefined) return;
    this.#text += text;
    if (this.#text.length > MAX_TOKEN_BYTES) throw brokenMetadata("a text in it is too long");
  };

  constructor(shape: XmlShape) {
    this.#shape = shape;
    // Not more than these: with eight listeners V8 takes the parser for a dictionary, and it is five times as slow.
    this.#parser.on("opentag", ({ name }) => this.#open(localName(name)));
    this.#parser.on("closetag", ({ attributes }) => this.#close(attributes));
    this.#parser.on("cdata", this.#onText);
    this.#parser.on("doctype", () => {
      throw brokenMetadata("it has a document type declaration");
    });
    this.#parser.on("xmldecl", ({ encoding }) => {
      if (encoding !== undefined && !ENCODINGS.has(encoding.toLowerCase())) throw brokenMetadata("it is not in UTF-8");
    });
  }

  /** @throws LarderError `METADATA_BROKEN` */
  push(chunk: Uint8Array): void {
    for (let start = 0; start < chunk.length; start += SLICE_BYTES) {
      const slice = chunk.subarray(start, start + SLICE_BYTES);
      this.#tokenBytes += slice.length;
      const text = this.#decode(() => this.#decoder.decode(slice, { stream: true }));
      parseAs("XML", () => this.#parser.write(text));
      if (this.#tokenBytes > MAX_TOKEN_BYTES)
        throw brokenMetadata(`a tag, text or comment in it is longer than ${MAX_TOKEN_BYTES} bytes`);
    }
  }

  /** @throws LarderError `METADATA_BROKEN` when the document is cut short. */
  finish(): void {
    const text = this.#decode(() => this.#decoder.decode());
    parseAs("XML", () => this.#parser.write(text).close());
  }

  #decode(step: () => string): string {
    try {
      return step();
    } catch (error) {
      throw brokenMetadata("it is not in UTF-8", error);
    }
  }

  #open(name: string): void {
    const { roots, levels, texts } = this.#shape;
    this.#tokenBytes = 0;
    this.#depth += 1;
    if (this.#text !== undefined) throw brokenMetadata(`an element ${name} stands where only text may stand`);
    if (this.#depth > MAX_DEPTH) throw brokenMetadata(`its elements nest deeper than ${MAX_DEPTH}`);
    if (this.#depth > levels) return;
    if (this.#depth === 1 && !roots.includes(name))
      throw brokenMetadata(`its root element is ${name}, not ${roots.join(" or ")}`);
    this.#names.push(name);
    if (!texts.has(name)) return;
    this.#text = "";
    this.#parser.on("text", this.#onText);
  }

  #close(attributes: XmlAttributes): void {
    this.#tokenBytes = 0;
    this.#depth -= 1;
    if (this.#depth >= this.#shape.levels) return;
    const name = this.#names.pop() as string;
    const text = ownText((this.#text ?? "").trim());
    // Without a listener saxes does not even cut texts out of its input.
    if (this.#text !== undefined) this.#parser.off("text");
    this.#text = undefined;
    this.#shape.onElement({ name, attributes, text, parents: this.#names });
  }
}

/**
 * The text in memory of its own. V8 makes what is cut out of a string a view of it: a kept file name would keep 64 KiB
 * of the document with it.
 */
export function ownText(text: string): string {
  return text === "" ? "" : Buffer.from(text, "utf8").toString("utf8");
}

function localName(name: string): string {
  const colon = name.indexOf(":");
  return colon < 0 ? name : name.slice(colon + 1);
}
