import { algorithmNamed, type WrittenDigests } from "../declarations.ts";
import { JsonReader, type JsonValue, memberOf, textOf, textsOf } from "../json.ts";
import { brokenMetadata, type ReadOutcome } from "../metadata.ts";
import type { IndexedFiles } from "./files.ts";

/** Reads a project's page in JSON (PEP 691), with sizes and upload times (PEP 700). */
export class JsonPage {
  readonly #files: IndexedFiles;
  readonly #json = new JsonReader({
    paths: ["$.meta.api-version", "$.files.*"],
    onValue: (value) => this.#take(value),
  });

  constructor(files: IndexedFiles) {
    this.#files = files;
  }

  push(chunk: Uint8Array): void {
    this.#json.push(chunk);
  }

  finish(): ReadOutcome {
    this.#json.finish();
    return this.#files.outcome();
  }

  #take({ value, path }: JsonValue): void {
    if (path[0] === "files") this.#takeFile(value);
    else if (typeof value !== "string" || !value.startsWith("1."))
      throw brokenMetadata(`it is of version ${String(value)}, and 1 is the one that is known`);
  }

  #takeFile(file: unknown): void {
    const size = memberOf(file, "size");
    const published = Date.parse(textOf(file, "upload-time") ?? "");
    // PEP 714: who writes both means the new one.
    const metadata = memberOf(file, "core-metadata") ?? memberOf(file, "dist-info-metadata");
    this.#files.add({
      url: textOf(file, "url") ?? "",
      digests: digestsOf(memberOf(file, "hashes")),
      bytes: typeof size === "number" ? String(size) : undefined,
      publishedMs: Number.isFinite(published) ? published : undefined,
      metadata: digestsOf(metadata),
    });
  }
}

/** Hex digits by the algorithm's name, as hashlib has it; what is not an object names none. */
function digestsOf(hashes: unknown): WrittenDigests {
  return Object.fromEntries(
    Object.entries(textsOf(hashes)).flatMap(([name, hex]) => {
      const algorithm = algorithmNamed(name);
      return algorithm === undefined ? [] : [[algorithm, hex]];
    }),
  );
}
