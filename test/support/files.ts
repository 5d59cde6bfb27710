import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join, normalize } from "node:path";
import { type Digest, digestOf } from "../../core/digest.ts";
import { systemCode } from "../../core/errors.ts";
import type { Handler } from "./origin.ts";

export type Fields = Readonly<Record<string, string>>;

/** Published long ago, so that nothing a test says about freshness rests on the time of its run. */
const LAST_MODIFIED = "Tue, 04 Mar 2025 10:00:00 GMT";

/** The digests of the files of a folder that fit, by name. */
export async function folderDigests(folder: string, fits: RegExp): Promise<Record<string, Digest>> {
  const names = (await readdir(folder)).filter((name) => fits.test(name)).sort();
  const files = names.map(async (name) => [name, digestOf(await readFile(join(folder, name)))] as const);
  return Object.fromEntries(await Promise.all(files));
}

/** The files below a folder, however deep, whose names fit; sorted. */
export async function findFiles(folder: string, fits: RegExp): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile() && fits.test(entry.name));
  return files.map((entry) => join(entry.parentPath, entry.name)).sort();
}

/** Answers with these bytes as a plain file server does: ETag, Last-Modified, one range, conditional requests, HEAD. */
export function bytesHandler(body: Buffer, fields: Fields = {}): Handler {
  return (request, response) => sendBytes(request, response, { body, fields });
}

/**
 * Answers with the files below a folder, as {@link bytesHandler} does.
 * @param prefix the path the folder is served under; ends in `/`.
 * @param fieldsOf more fields for a path.
 */
export function folderHandler(
  prefix: string,
  folder: string,
  fieldsOf: (path: string) => Fields = () => ({}),
): Handler {
  return async (request, response) => {
    const path = new URL(request.url ?? "", "http://origin").pathname;
    const name = normalize(decodeURIComponent(path.slice(prefix.length)));
    const file = path.endsWith("/") ? join(name, "index.html") : name;
    const body = file.startsWith("..") ? undefined : await readIfFile(join(folder, file));
    if (body === undefined) response.writeHead(404, { "Cache-Control": "no-store" }).end();
    else sendBytes(request, response, { body, fields: { "Content-Type": contentType(file), ...fieldsOf(path) } });
  };
}

interface Representation {
  readonly body: Buffer;
  readonly fields: Fields;
}

function sendBytes(request: IncomingMessage, response: ServerResponse, { body, fields }: Representation): void {
  const etag = `"${createHash("sha1").update(body).digest("hex").slice(0, 16)}"`;
  for (const [name, value] of Object.entries({ ETag: etag, "Last-Modified": LAST_MODIFIED, ...fields }))
    response.setHeader(name, value);
  response.setHeader("Accept-Ranges", "bytes");
  if (isUnchanged(request, etag)) {
    response.writeHead(304).end();
    return;
  }
  const mayRange = [undefined, etag, LAST_MODIFIED].includes(request.headers["if-range"] as string | undefined);
  const range = mayRange ? readRange(request.headers.range, body.length) : undefined;
  const part = range === undefined ? body : body.subarray(range.first, range.last + 1);
  if (range !== undefined) response.setHeader("Content-Range", `bytes ${range.first}-${range.last}/${body.length}`);
  response.writeHead(range === undefined ? 200 : 206, { "Content-Length": part.length });
  response.end(request.method === "HEAD" ? undefined : part);
}

function isUnchanged(request: IncomingMessage, etag: string): boolean {
  const named = request.headers["if-none-match"];
  if (named !== undefined) return named === "*" || named.includes(etag);
  const since = request.headers["if-modified-since"];
  return since !== undefined && Date.parse(since) >= Date.parse(LAST_MODIFIED);
}

function readRange(value: string | undefined, length: number): { first: number; last: number } | undefined {
  const match = /^bytes=(\d+)-(\d*)$/.exec(value ?? "");
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = match[2] === "" ? length - 1 : Math.min(Number(match[2]), length - 1);
  return first <= last ? { first, last } : undefined;
}

function contentType(file: string): string {
  return file.endsWith(".html") ? "text/html" : "application/octet-stream";
}

async function readIfFile(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (["ENOENT", "EISDIR", "ENOTDIR"].includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
}
