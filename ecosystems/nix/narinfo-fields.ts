import { LineSplitter } from "../lines.ts";
import { brokenMetadata } from "../metadata.ts";

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

/** What a narinfo says, as it passes: lines of `Name: value`, each with an end. */
export class NarinfoFields {
  /** Those of each key that signed it: `name:base64`. */
  readonly signatures: string[] = [];
  readonly #fields = new Map<string, string>();
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true });
  readonly #lines = new LineSplitter((bytes, start, end) => this.#take(this.#decode(bytes.subarray(start, end))));
  #bytes = 0;

  /** @throws LarderError `METADATA_BROKEN` */
  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_BYTES) throw brokenMetadata(`it is larger than ${MAX_BYTES} bytes`);
    this.#lines.push(chunk);
  }

  /** @throws LarderError `METADATA_BROKEN` when it is cut short, or does not say what every narinfo does. */
  finish(): void {
    this.#lines.finish();
    for (const name of REQUIRED) if (this.get(name) === "") throw brokenMetadata(`it does not say ${name}`);
  }

  /** The value, empty where there is none. */
  get(name: string): string {
    return this.#fields.get(name) ?? "";
  }

  #take(line: string): void {
    const [, name, value = ""] = /^([^:]+):(?: (.*))?$/.exec(line) ?? [];
    if (name === undefined) throw brokenMetadata("a line in it is not of the form `Name: value`");
    if (name === "Sig") this.signatures.push(value);
    if (!SINGLE.has(name)) return;
    if (this.#fields.has(name)) throw brokenMetadata(`it says ${name} twice`);
    this.#fields.set(name, value);
  }

  #decode(line: Uint8Array): string {
    try {
      return this.#utf8.decode(line);
    } catch (error) {
      throw brokenMetadata("it is not in UTF-8", error);
    }
  }
}
