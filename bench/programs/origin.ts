import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { bodyChunks } from "./body.ts";
import { type Identity, type Ports, resourceAt } from "./protocol.ts";
import { answerParent, serveBoth } from "./serve.ts";

/**
 * The origin: cacheable bodies made as they are asked for. Parent's first message is the identity, answered with the
 * ports; each later one is answered with the number of requests so far, by which the parent knows a hit from a miss.
 */
let requests = 0;

const PUBLISHED = "Mon, 01 Jan 2024 00:00:00 GMT";

function serve(request: IncomingMessage, response: ServerResponse): void {
  requests += 1;
  const path = request.url ?? "";
  const resource = resourceAt(path);
  if (resource === undefined) {
    response.writeHead(404, { "Content-Length": 0 }).end();
    return;
  }
  response.writeHead(200, {
    "Content-Type": "application/vnd.debian.binary-package",
    "Content-Length": resource.bytes,
    "Cache-Control": "public, max-age=86400",
    "Last-Modified": PUBLISHED,
    ETag: `"${resource.kind}-${resource.number}-${resource.bytes}"`,
  });
  Readable.from(bodyChunks(path, resource.bytes), { objectMode: false }).pipe(response);
}

answerParent<Identity | "count", Ports | number>((identity) =>
  identity === "count" ? requests : serveBoth(identity, serve),
);
