import { brokenMetadata, type Emit, type MetadataReader, type ReadOutcome } from "../metadata.ts";
import { IndexedFiles, type PagePlace } from "./files.ts";
import { HtmlPage } from "./html.ts";
import { JsonPage } from "./json.ts";

const OPENING_BRACE = 0x7b;
const SPACES: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * Reads a project's page, in the form that its bytes have: what is served under one URL depends on the client's Accept,
 * and on the server's mood.
 */
export class SimpleReader implements MetadataReader {
  readonly #files: IndexedFiles;
  #page: HtmlPage | JsonPage | undefined;

  constructor(place: PagePlace, emit: Emit) {
    this.#files = new IndexedFiles(place, emit);
  }

  push(chunk: Uint8Array): void {
    const start = this.#page === undefined ? chunk.findIndex((octet) => !SPACES.has(octet)) : 0;
    if (start < 0) return;
    this.#page ??= chunk[start] === OPENING_BRACE ? new JsonPage(this.#files) : new HtmlPage(this.#files);
    this.#page.push(chunk.subarray(start));
  }

  finish(): ReadOutcome {
    if (this.#page === undefined) throw brokenMetadata("it is empty");
    return this.#page.finish();
  }
}
