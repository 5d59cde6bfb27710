import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import type { Clock } from "../../core/clock.ts";
import { type Declaration, isStrong } from "../../core/declaration.ts";
import { type Entry, SMALL_BODY_BYTES } from "../../core/entry.ts";
import { fieldValue, listMembers, type RawFields, withoutFields } from "../../core/fields.ts";
import { acceptsCoding } from "../../policy/fields/coding.ts";
import { fieldsToClient } from "../../policy/forwarding.ts";
import { ageSeconds } from "../../policy/freshness.ts";
import type { Store } from "../../storage/store.ts";
import type { Fill } from "../fill/fill.ts";
import type { FillHead } from "../fill/fill-order.ts";
import { bodyFault } from "../origin/faults.ts";
import type { OriginResponse } from "../origin/origin.ts";
import { cut, isMultipart, writeParts } from "./multipart.ts";
import { type Reply, sendBody, sendDerivedAgain, sendHead, sendWhole } from "./reply.ts";
import { type Representation, select } from "./representation.ts";

export interface ServeOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** What the repository declares about the body: it gets larder's own strong validator. */
  readonly declared?: Declaration;
}

const LENGTH: ReadonlySet<string> = new Set(["content-length"]);
const LENGTH_AND_AGE: ReadonlySet<string> = new Set(["content-length", "age"]);
const TAG_AND_RANGES: ReadonlySet<string> = new Set(["etag", "accept-ranges"]);
const DECODED_AWAY: ReadonlySet<string> = new Set(["content-encoding", "accept-ranges", "etag"]);

/** What is sent of an entry to every client alike, made once for as long as the entry is in memory. */
const preparedFields = new WeakMap<Entry, RawFields>();

/**
 * Answers from a stored response.
 * @throws LarderError `BLOB_MISSING` or `BLOB_CORRUPT` before anything has been sent; the entry is then gone.
 */
export async function serveEntry(
  reply: Reply,
  entry: Entry,
  { store, clock, declared }: ServeOptions,
): Promise<boolean> {
  const { record } = reply;
  record.digest = entry.digest;
  const age = ["Age", String(Math.max(0, Math.floor(ageSeconds(entry, clock()))))];
  const fit = { status: entry.status, fields: fieldsOf(entry, reply.pseudonym), bytes: entry.bytes };
  const stored = negotiated(reply, declared === undefined ? fit : withOwnTag(fit, declared));
  const decodes = mustDecode(reply, stored.fields);
  const { status, fields, part } = select(reply, decodes ? decodedHead(stored) : stored);
  const head = fields.concat(age);
  if (part === "whole" && sendDerivedAgain(reply, status, head)) return true;
  if (part === "none" || reply.request.method === "HEAD") {
    sendHead(reply, status, head);
    reply.response.end();
    return true;
  }
  if (entry.bytes <= SMALL_BODY_BYTES && !decodes) {
    const read = store.readWhole(entry.digest);
    const body = Buffer.isBuffer(read) ? read : await read;
    sendWhole(reply, status, head, cut(body, part));
    return true;
  }
  if (isMultipart(part)) {
    const chunks = writeParts(part, (range) => store.openBlob(entry.digest, range));
    // The first range is open, or the entry is gone, before anything goes out.
    const first = await chunks.next();
    try {
      sendHead(reply, status, head);
      return await sendBody(reply, startingWith(first.value, chunks));
    } finally {
      await chunks.return(undefined);
    }
  }
  const reader = await store.openBlob(entry.digest, part === "whole" ? undefined : part);
  try {
    sendHead(reply, status, head);
    return await sendBody(reply, decodes ? gunzipped(reader) : reader.lend());
  } finally {
    reader.close();
  }
}

/**
 * Answers from a body that is still growing. The head waits for the first byte, which a declared body releases only
 * when it may.
 */
export async function serveFill(
  reply: Reply,
  fill: Fill,
  head: FillHead & { kind: "body" },
  options: ServeOptions,
): Promise<boolean> {
  const { declared } = options;
  const { draft } = head;
  // What a cache before this one says of its age is true of what comes through now (RFC 9111 §5.1).
  const received = withoutFields(fieldsToClient([...draft.fields, ...(head.once ?? [])], reply.pseudonym), LENGTH);
  const fit = { status: draft.status, fields: received, bytes: head.bytes };
  const arriving = negotiated(reply, declared === undefined ? fit : withOwnTag(fit, declared));
  const decodes = mustDecode(reply, arriving.fields);
  const { status, fields, part } = select(reply, decodes ? decodedHead(arriving) : arriving);
  if (part === "none") {
    sendHead(reply, status, fields);
    reply.response.end();
    return true;
  }
  if (isMultipart(part)) return await serveOnceKept(reply, fill, head, options);
  const last = head.bytes === undefined ? undefined : head.bytes - 1;
  const reader = part === "whole" ? fill.openReader(0, last) : fill.openReader(part.first, part.last);
  const leave = (): void => reader.close();
  reply.response.once("close", leave);
  try {
    // A part of a declared body may be all that its client ever compares with anything: it is verified first.
    if (declared !== undefined && part !== "whole") await fill.whole();
    const first = await reader.next();
    if (!reply.isOpen()) return false;
    sendHead(reply, status, fields);
    const chunks = startingWith(first, reader);
    return await sendBody(reply, decodes ? gunzipped(chunks) : chunks);
  } finally {
    reply.response.removeListener("close", leave);
    reader.close();
  }
}

/**
 * Several ranges come from the store when all of it is there; where the store cannot keep it, the whole goes out (RFC
 * 9110 §14.2).
 */
async function serveOnceKept(
  reply: Reply,
  fill: Fill,
  head: FillHead & { kind: "body" },
  options: ServeOptions,
): Promise<boolean> {
  // Holds the bytes that a store at fault would drop.
  const reader = fill.openReader();
  const entry = await fill.kept;
  if (entry === undefined) reply.ignoresRange = true;
  const sent = entry === undefined ? serveFill(reply, fill, head, options) : serveEntry(reply, entry, options);
  reader.close();
  return await sent;
}

/** Hands an origin's answer on as it comes, unstored. @throws LarderError of source `origin` when it breaks off. */
export async function servePass(
  reply: Reply,
  { head, body, trailers }: Pick<OriginResponse, "head" | "body" | "trailers">,
): Promise<boolean> {
  const leave = (): void => void body.destroy();
  reply.response.once("close", leave);
  try {
    if (!reply.isOpen()) return false;
    sendHead(reply, head.status, fieldsToClient(head.fields, reply.pseudonym));
    return await sendBody(reply, counted(body, reply), trailers);
  } finally {
    reply.response.removeListener("close", leave);
    body.destroy();
  }
}

async function* counted(body: AsyncIterable<Buffer>, { record }: Reply): AsyncGenerator<Buffer> {
  let bytes = 0;
  record.countOriginBytes = () => bytes;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      yield chunk;
    }
  } catch (error) {
    throw bodyFault(error, record.target?.authority ?? "the origin");
  }
}

/** A chunk that was read ahead, and then the rest. */
async function* startingWith(first: Buffer | undefined, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (first !== undefined) yield first;
  yield* rest;
}

function fieldsOf(entry: Entry, pseudonym: string): RawFields {
  const known = preparedFields.get(entry);
  if (known !== undefined) return known;
  const fields = withoutFields(fieldsToClient(entry.fields, pseudonym), LENGTH_AND_AGE);
  preparedFields.set(entry, fields);
  return fields;
}

/**
 * A verified body has a validator that holds whatever mirror it came from, and larder answers parts of it whether its
 * origin does or not; the origin's own tag still counts for If-None-Match.
 */
function withOwnTag(representation: Representation, { algorithm, digest }: Declaration): Representation {
  const fields = withoutFields(representation.fields, TAG_AND_RANGES);
  fields.push("Accept-Ranges", "bytes");
  if (isStrong(algorithm)) fields.push("ETag", `"${algorithm}-${digest}"`);
  return { ...representation, fields, isVerified: true, originEtag: fieldValue(representation.fields, "etag") };
}

/**
 * Bodies that are stored gzipped are sent so, or not, by the client's wishes: caches behind this one must know (RFC
 * 9110 §12.5.5).
 */
function negotiated(reply: Reply, representation: Representation): Representation {
  const { fields } = representation;
  if (!isGzipped(reply, fields)) return representation;
  const names = listMembers((fieldValue(fields, "vary") ?? "").toLowerCase());
  if (names.includes("accept-encoding") || names.includes("*")) return representation;
  return { ...representation, fields: [...fields, "Vary", "Accept-Encoding"] };
}

function isGzipped({ record }: Reply, fields: RawFields): boolean {
  return record.classification?.coding === "gzip" && fieldValue(fields, "content-encoding") === "gzip";
}

/** A body stored gzipped is unpacked for a client that did not ask for gzip. */
function mustDecode(reply: Reply, fields: RawFields): boolean {
  return (
    isGzipped(reply, fields) && !acceptsCoding(reply.request.headers["accept-encoding"] as string | undefined, "gzip")
  );
}

/** The unpacked bytes are another representation: its strong validator does not hold for them (RFC 9110 §8.8.1). */
function decodedHead({ status, fields }: Representation): Representation {
  const etag = fieldValue(fields, "etag");
  const rest = withoutFields(fields, DECODED_AWAY);
  if (etag !== undefined) rest.push("ETag", etag.startsWith("W/") ? etag : `W/${etag}`);
  return { status, fields: rest, bytes: undefined };
}

function gunzipped(source: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const gunzip = createGunzip();
  // A failure of the source, or of unpacking, comes out of the iteration below.
  pipeline(source, gunzip, () => undefined);
  return gunzip;
}
