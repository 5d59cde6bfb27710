import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { openingOf } from "./body.ts";
import { authorityOf, type LoadOrder } from "./protocol.ts";

const HEAD_END = Buffer.from("\r\n\r\n");

interface Expected {
  readonly opening: Buffer;
  readonly bytes: number;
  readonly done: () => void;
  readonly failed: (error: Error) => void;
}

/**
 * A kept-alive connection that asks for one body at a time. Hand-made, because node's own client costs several times
 * what the servers measured here spend on a hit, and would leave them waiting on it.
 */
export class Connection {
  readonly #socket: Socket;
  /** Bytes of an answer whose head and opening are not whole yet. */
  #held: Buffer = Buffer.alloc(0);
  #bodyLeft = 0;
  #expected: Expected | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (error) => this.#fail(error.message));
    socket.on("close", () => this.#fail("the connection was closed before the answer was whole"));
  }

  /** Sends the request and reads its answer. @throws Error when that is not a 200 of this length with this opening */
  get(target: string, authority: string, expected: { readonly path: string; readonly bytes: number }): Promise<void> {
    return new Promise((done, failed) => {
      this.#expected = { opening: openingOf(expected.path), bytes: expected.bytes, done, failed };
      this.#socket.write(`GET ${target} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    });
  }

  /** Ends it as a client does that has all it wants: the server may still be busy with the end of its answer. */
  close(): void {
    this.#socket.end();
  }

  #take(chunk: Buffer): void {
    if (this.#bodyLeft > 0) this.#countBody(chunk.length);
    else this.#readHead(this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]));
  }

  #readHead(bytes: Buffer): void {
    const expected = this.#expected;
    if (expected === undefined) {
      this.#fail("bytes came that nobody had asked for");
      return;
    }
    const end = bytes.indexOf(HEAD_END);
    const bodyAt = end + HEAD_END.length;
    if (end < 0 || bytes.length < bodyAt + expected.opening.length) {
      this.#held = bytes;
      return;
    }
    this.#held = Buffer.alloc(0);
    const wrong = findFault(bytes.toString("latin1", 0, end), bytes.subarray(bodyAt), expected);
    this.#bodyLeft = expected.bytes;
    if (wrong === undefined) this.#countBody(bytes.length - bodyAt);
    else this.#fail(wrong);
  }

  #countBody(bytes: number): void {
    this.#bodyLeft -= bytes;
    if (this.#bodyLeft < 0) this.#fail("the body is longer than its Content-Length");
    if (this.#bodyLeft !== 0) return;
    this.#expected?.done();
    this.#expected = undefined;
  }

  #fail(reason: string): void {
    this.#expected?.failed(new Error(reason));
    this.#expected = undefined;
    this.#socket.destroy();
  }
}

function findFault(head: string, body: Buffer, expected: Expected): string | undefined {
  const statusLine = head.slice(0, head.indexOf("\r\n"));
  if (!/^HTTP\/1\.1 200 /.test(statusLine)) return `not a 200: ${statusLine}`;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (Number(length) !== expected.bytes) return `Content-Length is ${length}, not ${expected.bytes}`;
  const { opening } = expected;
  return body.subarray(0, opening.length).equals(opening) ? undefined : "the body is another one's";
}

/** Opens a connection by which requests of the order reach its origin. */
export async function openConnection(order: LoadOrder): Promise<Connection> {
  const { port, form, ca, originName } = order.route;
  const socket = connect({ host: "127.0.0.1", port });
  await settled(socket, "connect");
  if (form === "tunnel") await openTunnel(socket, authorityOf(order));
  if (ca === undefined) return new Connection(socket);
  const identity = originName === undefined ? { host: "127.0.0.1" } : { servername: originName };
  const secure = connectTls({ socket, ca, ...identity });
  await settled(secure, "secureConnect");
  return new Connection(secure);
}

async function openTunnel(socket: Socket, authority: string): Promise<void> {
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  const answer = await new Promise<Buffer>((resolve, reject) => {
    socket.once("data", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the connection was closed instead of the tunnel opened")));
  });
  const head = answer.toString("latin1");
  if (!/^HTTP\/1\.[01] 200 /.test(head) || !head.endsWith("\r\n\r\n")) throw new Error(`no tunnel: ${head}`);
}

function settled(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    socket.once("error", reject);
  });
}
