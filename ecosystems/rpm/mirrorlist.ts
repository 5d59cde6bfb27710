import { LineSplitter } from "../lines.ts";
import { brokenMetadata, type MetadataReader, type ReadOutcome } from "../metadata.ts";
import { canonicalBase } from "../repository-path.ts";

/** Any list of URLs, also those that larder does not fetch by (ftp, rsync). */
const URL_LINE = /^[a-z][a-z0-9+.-]*:\/\/\S+$/i;

/** Reads a list of mirrors: one base URL on each line, `#` before comments (librepo). */
export class MirrorlistReader implements MetadataReader {
  readonly #lines = new LineSplitter((bytes, start, end) => this.#take(bytes.toString("utf8", start, end).trim()));
  readonly #bases = new Set<string>();
  #endsInLine = true;
  #skipped = 0;

  push(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#endsInLine = chunk.at(-1) !== 0x0a;
    this.#lines.push(chunk);
  }

  finish(): ReadOutcome {
    // Services leave out the last line's end as often as not; a URL that is cut short names no mirror that answers.
    if (this.#endsInLine) this.#lines.push(Uint8Array.of(0x0a));
    const mirrors = { bases: [...this.#bases], roots: [] };
    return { declared: 0, skipped: this.#skipped, ambiguous: new Set(), root: undefined, mirrors };
  }

  #take(line: string): void {
    if (line === "" || line.startsWith("#")) return;
    if (!URL_LINE.test(line)) throw brokenMetadata("a line in it is neither a URL nor a comment");
    // A variable such as $basearch is for the client to fill in.
    const base = line.includes("$") ? undefined : canonicalBase(line);
    if (base === undefined) this.#skipped += 1;
    else this.#bases.add(base);
  }
}
