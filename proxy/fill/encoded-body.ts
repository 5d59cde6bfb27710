import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { Declaration } from "../../core/declaration.ts";
import { fieldValue, type RawFields, withoutFields } from "../../core/fields.ts";
import type { ResponseHead } from "../../policy/plan.ts";
import type { Sealed, Staging, Store } from "../../storage/store.ts";
import { contentLength } from "../origin/origin.ts";
import { Verifier } from "./verify.ts";

/** The codings that can be undone here (RFC 9110 §8.4.1). */
const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};
/**
 * Up to here any ratio will do, and beyond it none that only an archive bomb has; a declared length is a tighter bound.
 */
const FREE_BYTES = 32 * 1024 * 1024;
const MAX_RATIO = 250;
const READ_BYTES = 256 * 1024;
/** What is said of the coded bytes alone. */
const OF_THE_CODING: ReadonlySet<string> = new Set(["content-encoding", "content-length", "accept-ranges", "etag"]);

/** A body in staging that is whole. */
export interface StagedBody {
  readonly staging: Staging;
  readonly sealed: Sealed;
  /** The fields of the response that are true of it. */
  readonly fields: RawFields;
}

export interface DecodeOptions {
  readonly store: Store;
  readonly declared: Declaration;
  readonly signal: AbortSignal;
}

/**
 * The coding in which an origin sent a declared body although it was asked for none; `undefined` where there is no
 * doubt what the bytes are. Servers put a coding before `.gz` files that they send as they are: the length tells those.
 */
export function codingInDoubt(head: ResponseHead, declared: Declaration | undefined): string | undefined {
  const coding = fieldValue(head.fields, "content-encoding")?.trim().toLowerCase();
  if (declared === undefined || coding === undefined || coding === "" || coding === "identity") return undefined;
  return declared.bytes !== undefined && contentLength(head) === declared.bytes ? undefined : coding;
}

/**
 * Undoes the coding of a body, if that makes it what is declared.
 * @returns the body in a staging of its own, to be closed by the caller; `undefined` when it is not that, either.
 */
export async function decodeAsDeclared(
  { staging: coded, sealed: { bytes: codedBytes }, fields }: StagedBody,
  coding: string,
  { store, declared, signal }: DecodeOptions,
): Promise<StagedBody | undefined> {
  const decoder = Object.hasOwn(DECODERS, coding) ? DECODERS[coding] : undefined;
  if (decoder === undefined) return undefined;
  const staging = await store.stage(declared.bytes === undefined ? {} : { expectedBytes: declared.bytes });
  try {
    const verifier = new Verifier(declared);
    const maxBytes = declared.bytes ?? FREE_BYTES + codedBytes * MAX_RATIO;
    const take = async (decoded: AsyncIterable<Buffer>): Promise<void> => {
      for await (const chunk of decoded) {
        if (staging.appendedBytes + chunk.length > maxBytes) throw verifier.sizeMismatch(maxBytes + 1);
        verifier.update(chunk);
        await staging.append(chunk);
      }
    };
    await pipeline(Readable.from(chunksOf(coded, codedBytes)), decoder(), take, { signal });
    const sealed = await staging.seal();
    verifier.check(sealed);
    return { staging, sealed, fields: withoutFields(fields, OF_THE_CODING) };
  } catch {
    // Corrupt, too long or other bytes: whichever, it is not what is declared, which the caller has found out before.
    await staging.close();
    return undefined;
  }
}

async function* chunksOf(staging: Staging, bytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes; ) {
    const chunk = await staging.read(at, Math.min(READ_BYTES, bytes - at));
    yield chunk;
    at += chunk.length;
  }
}
