import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { listenOnLoopback } from "../listen.ts";
import type { Origin } from "../origin.ts";

/**
 * The proxy of a company, which is the only way out and resolves names itself: here `NAME.larder.test` leads to the
 * origin registered under it, whatever the port. It lets tests use names as clients see them, without touching the
 * machine's name service.
 */
export class ParentProxy {
  readonly #origins = new Map<string, Origin>();
  readonly #sockets = new Set<Duplex>();
  #port = 0;
  readonly #server = http.createServer((request, response) => this.#forward(request, response));

  private constructor() {
    this.#server.on("connect", (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#tunnel(request, socket, head),
    );
  }

  static async start(): Promise<ParentProxy> {
    const parent = new ParentProxy();
    await parent.#listen();
    return parent;
  }

  async #listen(): Promise<void> {
    this.#port = await listenOnLoopback(this.#server);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** @returns the URL under which clients reach the origin, without a final slash. */
  publish(name: string, origin: Origin): string {
    const host = `${name}.larder.test`;
    this.#origins.set(host, origin);
    return `${origin.scheme}://${host}`;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #tunnel(request: IncomingMessage, client: Socket, head: Buffer): void {
    const origin = this.#origins.get((request.url ?? "").replace(/:\d+$/, ""));
    if (origin === undefined) {
      client.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    const upstream = connect(origin.port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(one);
      one.on("error", () => other.destroy());
      one.once("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "");
    const origin = this.#origins.get(url.hostname);
    if (origin === undefined) {
      response.writeHead(502).end();
      return;
    }
    const path = url.pathname + url.search;
    const { method, headers } = request;
    const upstream = http.request({ host: "127.0.0.1", port: origin.port, path, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(response);
    });
    upstream.on("error", () => response.destroy());
    request.pipe(upstream);
  }
}
