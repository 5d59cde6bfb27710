import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";

/** Sends one request through the proxy, with this content, and reads the answer to its end. */
export async function send(port: number, method: string, url: string, options: SendOptions = {}) {
  const { body, headers = {}, agent = false } = options;
  const { host } = new URL(url);
  const request = http.request({ port, method, path: url, headers: { Host: host, ...headers }, agent });
  request.end(body);
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  const received = await buffer(answer).catch(() => Buffer.from("cut"));
  return { status: answer.statusCode, headers: answer.headers, raw: answer.rawHeaders, body: received };
}

interface SendOptions {
  readonly body?: Buffer | string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly agent?: http.Agent;
}
