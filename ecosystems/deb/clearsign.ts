import type { OnLine } from "../lines.ts";
import { brokenMetadata } from "../metadata.ts";

const DASH = 0x2d;
const SPACE = 0x20;
const BEGIN_MESSAGE = "-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE = "-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE = "-----END PGP SIGNATURE-----";

/**
 * Where a line stands:
 *
 *     -----BEGIN PGP SIGNED MESSAGE-----     begin
 *     Hash: SHA512                           armor
 *                                            armor (its end)
 *     Origin: Debian                         text
 *     -----BEGIN PGP SIGNATURE-----          text (its end)
 *     …                                      signature
 *     -----END PGP SIGNATURE-----            signature (its end)
 *                                            end
 */
type Section = "begin" | "armor" | "text" | "signature" | "end";

/**
 * Takes the signed text out of a clearsigned message (RFC 9580 §7), its dash-escaping undone. Like apt, it refuses
 * whatever stands outside of the signed text: a signature says nothing about it. It verifies no signature itself.
 */
export class ClearsignedText {
  readonly #onLine: OnLine;
  #section: Section = "begin";

  /** @param onLine takes the lines of the signed text. */
  constructor(onLine: OnLine) {
    this.#onLine = onLine;
  }

  /** Takes the next line, without its end. @throws LarderError `METADATA_BROKEN` when it may not stand here. */
  line(bytes: Buffer, start: number, end: number): void {
    if (this.#section === "text") this.#textLine(bytes, start, end);
    else this.#section = nextSection(this.#section, bytes.toString("latin1", start, end).trimEnd());
  }

  /** @throws LarderError `METADATA_BROKEN` when the message is cut short. */
  finish(): void {
    if (this.#section !== "end") throw brokenMetadata("it is cut short: the end of its PGP signature is missing");
  }

  #textLine(bytes: Buffer, start: number, end: number): void {
    if (bytes[start] !== DASH || start === end) this.#onLine(bytes, start, end);
    else if (bytes[start + 1] === SPACE) this.#onLine(bytes, start + 2, end);
    else if (bytes.toString("latin1", start, end).trimEnd() === BEGIN_SIGNATURE) this.#section = "signature";
    else throw brokenMetadata("its signed text holds a line that begins with a dash and is not escaped");
  }
}

function nextSection(section: Exclude<Section, "text">, line: string): Section {
  switch (section) {
    case "begin":
      if (line === BEGIN_MESSAGE) return "armor";
      throw brokenMetadata("it does not begin as a clearsigned message");
    case "armor":
      if (line === "") return "text";
      // RFC 9580 §7: "Hash" is the only header that may stand before the text.
      if (line.startsWith("Hash: ")) return "armor";
      throw brokenMetadata("an unsigned line stands before its signed text");
    case "signature":
      return line === END_SIGNATURE ? "end" : "signature";
    case "end":
      if (line === "") return "end";
      throw brokenMetadata("unsigned text stands after its PGP signature");
    default:
      return section satisfies never;
  }
}
