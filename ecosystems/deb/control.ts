import type { Declarations } from "../declarations.ts";
import { Facts } from "../facts.ts";
import { LineSplitter } from "../lines.ts";
import { brokenMetadata, type MetadataReader } from "../metadata.ts";

const TAB = 0x09;
const SPACE = 0x20;
const HASH = 0x23;
const DASH = 0x2d;
const COLON = 0x3a;
/** Names of fields are printable ASCII (deb822(5)). */
const FIRST_PRINTABLE = 0x21;
const LAST_PRINTABLE = 0x7e;
/** A Release that lists 10,000 files has 1.5 MB; any field of a package is far below. */
const MAX_FIELD_LENGTH = 16 * 1024 * 1024;

interface Field {
  readonly name: string;
  readonly lines: string[];
  length: number;
}

/**
 * Reads a control file (deb822(5)) line by line. Only the fields that are asked for are ever turned into strings: they
 * are a tenth of a Packages file. In them a character stands for an octet, and `\n` for the fold between two lines,
 * each trimmed.
 */
export class ControlReader {
  readonly #wanted: ReadonlyMap<number, readonly string[]>;
  readonly #onStanza: (stanza: Facts) => void;
  #stanza = new Facts();
  #field: Field | undefined;
  #isInStanza = false;
  #lines = 0;

  /**
   * @param wanted names of fields, in lower case.
   * @param onStanza called for each paragraph with a wanted field, in order.
   */
  constructor(wanted: readonly string[], onStanza: (stanza: Facts) => void) {
    const lengths = new Set(wanted.map((name) => name.length));
    this.#wanted = new Map([...lengths].map((length) => [length, wanted.filter((name) => name.length === length)]));
    this.#onStanza = onStanza;
  }

  /**
   * Takes the next line, without its end.
   * @throws LarderError `METADATA_BROKEN` when it is no line of a control file.
   */
  line(bytes: Buffer, start: number, end: number): void {
    this.#lines += 1;
    const first = bytes[start];
    if (start === end) this.#endStanza();
    else if (first === SPACE || first === TAB) this.#fold(bytes, start, end);
    else this.#startField(bytes, start, end);
  }

  /** Ends the file, and with it the last paragraph. */
  finish(): void {
    this.#endStanza();
  }

  #startField(bytes: Buffer, start: number, end: number): void {
    const colon = this.#endOfName(bytes, start, end);
    this.#endField();
    this.#isInStanza = true;
    const name = this.#wantedName(bytes, start, colon);
    if (name === undefined) return;
    const value = trimmed(bytes, colon + 1, end);
    this.#field = { name, lines: [value], length: value.length };
  }

  #endOfName(bytes: Buffer, start: number, end: number): number {
    const first = bytes[start];
    for (let i = start; i < end && first !== HASH && first !== DASH; i++) {
      const octet = bytes[i] as number;
      if (octet === COLON && i > start) return i;
      if (octet === COLON || octet < FIRST_PRINTABLE || octet > LAST_PRINTABLE) break;
    }
    throw brokenMetadata(`line ${this.#lines} does not begin with the name of a field`);
  }

  /** Names are compared without regard to case (Debian policy §5.1). */
  #wantedName(bytes: Buffer, start: number, end: number): string | undefined {
    const candidates = this.#wanted.get(end - start);
    return candidates?.find((name) => {
      for (let i = 0; i < name.length; i++)
        if (((bytes[start + i] as number) | 0x20) !== name.charCodeAt(i)) return false;
      return true;
    });
  }

  #fold(bytes: Buffer, start: number, end: number): void {
    const field = this.#field;
    if (field === undefined) {
      const line = this.#isInStanza ? "" : trimmed(bytes, start, end);
      if (line !== "") throw brokenMetadata(`line ${this.#lines} continues a field that never began`);
      return;
    }
    const line = trimmed(bytes, start, end);
    field.lines.push(line);
    field.length += line.length + 1;
    if (field.length > MAX_FIELD_LENGTH) throw brokenMetadata(`the field ${field.name} is too long`);
  }

  #endField(): void {
    const field = this.#field;
    if (field === undefined) return;
    this.#field = undefined;
    this.#stanza.set(field.name, field.lines.length === 1 ? field.lines[0] : field.lines.join("\n"));
  }

  #endStanza(): void {
    this.#endField();
    if (!this.#stanza.isEmpty) {
      this.#onStanza(this.#stanza);
      this.#stanza = new Facts();
    }
    this.#isInStanza = false;
  }
}

/**
 * A reader of a control file whose paragraphs each tell of files.
 * @param declare adds to `declarations` what a paragraph says.
 */
export function readControlFile(
  fields: readonly string[],
  declarations: Declarations,
  declare: (stanza: Facts) => void,
): MetadataReader {
  const control = new ControlReader(fields, declare);
  const lines = new LineSplitter((bytes, start, end) => control.line(bytes, start, end));
  return {
    push: (chunk) => lines.push(chunk),
    finish: () => {
      lines.finish();
      control.finish();
      return declarations.outcome();
    },
  };
}

/** The octets between leading and trailing blanks, one character for each. */
function trimmed(bytes: Buffer, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(bytes[start] as number)) start++;
  while (end > start && isBlank(bytes[end - 1] as number)) end--;
  return bytes.toString("latin1", start, end);
}

function isBlank(octet: number): boolean {
  return octet === SPACE || octet === TAB;
}
