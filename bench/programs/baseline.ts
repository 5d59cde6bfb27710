import { createReadStream, createWriteStream, existsSync } from "node:fs";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import https from "node:https";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { bodyChunks, wholeBody } from "./body.ts";
import { type BaselineOrder, type Resource, resourceAt } from "./protocol.ts";
import { answerParent, serveBoth } from "./serve.ts";

/**
 * The least a proxy on node could do: a small hit from memory, a large one from a file, a miss piped from the origin.
 * It decides nothing, stores nothing of a miss, checks nothing and writes no log.
 */

/** Bodies up to this length are served from memory. */
const IN_MEMORY_BYTES = 64 * 1024;

const bodies = new Map<string, Buffer>();

function serveSmall(path: string, bytes: number, response: ServerResponse): void {
  const body = bodies.get(path) ?? wholeBody(path, bytes);
  bodies.set(path, body);
  response.writeHead(200, { "Content-Length": bytes }).end(body);
}

async function serveFile(path: string, resource: Resource, response: ServerResponse, folder: string): Promise<void> {
  const file = join(folder, `${resource.number}.deb`);
  if (!existsSync(file)) await pipeline(Readable.from(bodyChunks(path, resource.bytes)), createWriteStream(file));
  response.writeHead(200, { "Content-Length": resource.bytes });
  createReadStream(file).pipe(response);
}

/** Pipes misses from the origin over kept-alive connections. */
function relayTo({ origin, originCa }: BaselineOrder): (request: IncomingMessage, response: ServerResponse) => void {
  const plain = new http.Agent({ keepAlive: true });
  const secure = new https.Agent({ keepAlive: true, ca: originCa });
  return (request, response) => {
    const isSecure = "encrypted" in request.socket;
    const options = { host: "127.0.0.1", path: request.url };
    const relay = (answer: IncomingMessage) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(response);
    };
    if (isSecure) https.get({ ...options, port: origin.https, agent: secure }, relay);
    else http.get({ ...options, port: origin.http, agent: plain }, relay);
  };
}

answerParent((order: BaselineOrder) => {
  const relay = relayTo(order);
  return serveBoth(order.identity, (request, response) => {
    const path = request.url ?? "";
    const resource = resourceAt(path);
    if (resource === undefined) response.writeHead(404, { "Content-Length": 0 }).end();
    else if (resource.kind === "misses") relay(request, response);
    else if (resource.bytes <= IN_MEMORY_BYTES) serveSmall(path, resource.bytes, response);
    else void serveFile(path, resource, response, order.folder);
  });
});
