import { Declarations, parseBytes, type Statement } from "../declarations.ts";
import { locateTarget } from "../document-url.ts";
import type { Emit, MetadataReader, ReadOutcome } from "../metadata.ts";
import { parseNixHash } from "./hash.ts";
import { NarinfoFields } from "./narinfo-fields.ts";

/**
 * Reads the path info of a Nix binary cache: the nar that it names, with the hash and size of the file as it is served.
 * @see https://nix.dev/manual/nix/latest/protocols/binary-cache
 */
export class NarinfoReader implements MetadataReader {
  readonly #base: string;
  readonly #declarations: Declarations;
  readonly #fields = new NarinfoFields();

  /** @param base of the cache: what its `URL:` is below. */
  constructor(base: string, emit: Emit) {
    this.#base = base;
    this.#declarations = new Declarations(emit);
  }

  push(chunk: Uint8Array): void {
    this.#fields.push(chunk);
  }

  finish(): ReadOutcome {
    this.#fields.finish();
    this.#declarations.add(statementOf(this.#fields, this.#base));
    return this.#declarations.outcome();
  }
}

function statementOf(narinfo: NarinfoFields, base: string): Statement | undefined {
  const url = narinfo.get("URL");
  // Nix puts it behind the cache's own URL as it stands (http-binary-cache-store.cc).
  const location = locateTarget(/^https?:\/\//.test(url) ? url : base + url, base);
  const { hash, size } = fileOf(narinfo);
  const digest = parseNixHash(hash);
  if (location === undefined || digest === undefined) return undefined;
  const bytes = parseBytes(size);
  return {
    kind: "payload",
    ...location,
    digests: [digest],
    // Nix writes 0 where it does not know.
    bytes: bytes === 0 ? undefined : bytes,
    name: nameOf(narinfo.get("StorePath")),
  };
}

/** Caches that make nars as they are asked for say nothing of the file; what is not packed is the nar itself. */
function fileOf(narinfo: NarinfoFields): { readonly hash: string; readonly size: string } {
  const isNar = narinfo.get("FileHash") === "" && narinfo.get("Compression") === "none";
  const what = isNar ? "Nar" : "File";
  return { hash: narinfo.get(`${what}Hash`), size: narinfo.get(`${what}Size`) };
}

/** `/nix/store/<hash>-<name>` without the hash. */
function nameOf(storePath: string): string {
  return storePath.slice(storePath.lastIndexOf("/") + 1).replace(/^[0-9a-z]{32}-/, "");
}
