import { EventEmitter, once } from "node:events";
import http, { type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import { connect, type Socket } from "node:net";
import tls from "node:tls";

/** Where a test's own requests go through. */
export interface Through {
  readonly port: number;
  /** PEM of the roots that the client trusts for https. */
  readonly ca?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  /** Whether the body ended as its framing promised; `false` when the connection was destroyed in its middle. */
  readonly isWhole: boolean;
}

/** Requests the URL through the proxy as a client library would: absolute-form for http, CONNECT and TLS for https. */
export async function open(through: Through, url: string, headers: OutgoingHttpHeaders = {}): Promise<IncomingMessage> {
  const target = new URL(url);
  const request =
    target.protocol === "http:"
      ? http.request({ port: through.port, path: url, headers: { Host: target.host, ...headers }, agent: false })
      : await requestInTunnel(through, target, headers);
  const answered = once(request, "response");
  // A reset in mid-body is seen in the body.
  request.on("error", () => undefined);
  request.end();
  const [answer] = (await answered) as [IncomingMessage];
  return answer;
}

/** As {@link open}, and reads the body to its end, however it ends. */
export async function get(through: Through, url: string, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  return readAnswer(await open(through, url, headers));
}

/** The rest of what {@link open} gave, to its end, however it ends. */
export async function readAnswer(answer: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch (error) {
    if (!answer.destroyed || answer.complete) throw error;
  }
  const { statusCode: status = 0, headers: fields, complete: isWhole } = answer;
  return { status, headers: fields, body: Buffer.concat(chunks), isWhole };
}

/** A GET in origin-form after which the connection ends. */
export function requestFor(host: string, path = "/hello"): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
}

/** Writes these bytes to the port and gives all that comes back until the other side ends. */
export async function sendRaw(port: number, bytes: string | Buffer): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(bytes, "latin1");
  return readToEnd(socket);
}

/** Opens a tunnel through the proxy. @throws with the answer's head when it is not a 2xx. */
export async function openTunnel(port: number, authority: string): Promise<Socket> {
  const request = http.request({ port, method: "CONNECT", path: authority, agent: false });
  request.end();
  const [answer, socket] = (await once(request, "connect")) as [IncomingMessage, Socket];
  if (answer.statusCode !== 200) throw new Error(`CONNECT ${authority}: ${answer.statusCode}`);
  return socket;
}

/** Reads until what has come holds the text. @returns all of it */
export async function readUntil(socket: Socket, end: Buffer | string): Promise<Buffer> {
  const reading = new EventEmitter();
  const enough = once(reading, "enough");
  let read = Buffer.alloc(0);
  // One listener throughout: what comes in two pieces at once would have its second lost between two of them.
  const hear = (chunk: Buffer): void => {
    read = Buffer.concat([read, chunk]);
    if (read.includes(end)) reading.emit("enough");
  };
  socket.on("data", hear);
  const ended = once(socket, "close").then(() => Promise.reject(new Error(`it ended with ${read}`)));
  ended.catch(() => undefined);
  try {
    await Promise.race([enough, ended]);
  } finally {
    socket.off("data", hear);
  }
  return read;
}

export async function readToEnd(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "close");
  return Buffer.concat(chunks).toString("latin1");
}

async function requestInTunnel({ port, ca }: Through, target: URL, headers: OutgoingHttpHeaders) {
  const socket = await openTunnel(port, `${target.hostname}:${target.port || 443}`);
  const secure = tls.connect({ socket, servername: target.hostname, ca, ALPNProtocols: ["http/1.1"] });
  await once(secure, "secureConnect");
  const path = target.pathname + target.search;
  return http.request({ createConnection: () => secure, path, headers: { Host: target.host, ...headers } });
}
