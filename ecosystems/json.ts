import { JSONParser } from "@streamparser/json";
import { brokenMetadata, parseAs } from "./metadata.ts";

/** The largest packuments, of packages that are published every night, have some 100 MB. */
const MAX_BYTES = 512 * 1024 * 1024;

/** A value that stands at one of the paths that were asked for. */
export interface JsonValue {
  readonly value: unknown;
  /** The names of the objects and arrays it stands in, the root's first, and its own last; an array's are numbers. */
  readonly path: readonly string[];
}

/** What a reader wants of a document. */
export interface JsonShape {
  /** `$.versions.*.dist`; a value is kept only until it has been taken. */
  readonly paths: readonly string[];
  /** Takes the values in the order of the document: a name that stands there twice comes twice. */
  readonly onValue: (value: JsonValue) => void;
}

/** Reads JSON (RFC 8259) as it passes, in the memory of its largest value. */
export class JsonReader {
  readonly #shape: JsonShape;
  readonly #parser: JSONParser;
  /** The parser takes any octets for UTF-8. */
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true });
  #bytes = 0;

  constructor(shape: JsonShape) {
    this.#shape = shape;
    this.#parser = new JSONParser({ paths: [...shape.paths], keepStack: false });
    this.#parser.onValue = ({ value, key, stack }) => {
      const names = [...stack.slice(1).map((parent) => parent.key), key];
      this.#shape.onValue({ value, path: names.map(String) });
    };
    this.#parser.onError = (error) => {
      throw error;
    };
  }

  /** @throws LarderError `METADATA_BROKEN` */
  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_BYTES) throw brokenMetadata(`it is larger than ${MAX_BYTES} bytes`);
    parseAs("JSON", () => {
      this.#utf8.decode(chunk, { stream: true });
      if (chunk.length > 0) this.#parser.write(chunk);
    });
  }

  /** @throws LarderError `METADATA_BROKEN` when the document is cut short. */
  finish(): void {
    parseAs("JSON", () => {
      this.#utf8.decode();
      if (!this.#parser.isEnded) throw new Error("its end is missing");
    });
  }
}

/** The member of that name, where the value is an object that has it itself. */
export function memberOf(value: unknown, name: string): unknown {
  const isObject = typeof value === "object" && value !== null && Object.hasOwn(value, name);
  return isObject ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

/** The member of that name, where it is a text. */
export function textOf(value: unknown, name: string): string | undefined {
  const member = memberOf(value, name);
  return typeof member === "string" ? member : undefined;
}

/** The members of an object that are texts. */
export function textsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
