import { EventEmitter, once } from "node:events";
import http, { type IncomingMessage, ServerResponse } from "node:http";
import https from "node:https";
import type { KeyPair } from "./authority.ts";
import { listenOnLoopback } from "./listen.ts";

/** An origin's answer to one request. It may wait for what the test lets happen, or end the connection in mid-body. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** A line of the origin's own request log; it goes on counting while the answer is under way. */
export interface OriginRequest {
  readonly method: string;
  /** Path and query, byte for byte. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly status: number;
  /** Body bytes handed to the network. */
  readonly bodyBytes: number;
}

export interface OriginOptions {
  /** With a certificate it speaks https, else http. */
  readonly tls?: KeyPair | undefined;
  /** PEM of the authority whose certificate every client must show. */
  readonly clientAuthority?: string;
  /** The name its `url` carries; it listens on the loopback address. */
  readonly name?: string;
}

/** A real HTTP server on a port of its own, which remembers what it was asked and how much it sent. */
export class Origin {
  readonly scheme: "http" | "https";
  readonly #name: string;
  readonly #server: http.Server<typeof IncomingMessage, typeof CountedResponse>;
  readonly #handlers = new Map<string, Handler>();
  readonly #arrivals = new EventEmitter();
  #requests: OriginRequest[] = [];
  #port = 0;

  private constructor({ tls, clientAuthority, name = "127.0.0.1" }: OriginOptions) {
    this.scheme = tls === undefined ? "http" : "https";
    this.#name = name;
    const answer = (request: IncomingMessage, response: CountedResponse) => this.#answer(request, response);

    const options = { ServerResponse: CountedResponse, keepAlive: true };
    const demand = { ca: clientAuthority, requestCert: clientAuthority !== undefined, rejectUnauthorized: true };
    this.#server =
      tls === undefined
        ? http.createServer(options, answer)
        : https.createServer({ ...options, ...tls, ...demand }, answer);
  }

  static async start(options: OriginOptions = {}): Promise<Origin> {
    const origin = new Origin(options);
    await origin.restart();
    return origin;
  }

  get port(): number {
    return this.#port;
  }

  /** `scheme://name:port`, without a final slash. */
  get url(): string {
    return `${this.scheme}://${this.#name}:${this.#port}`;
  }

  /** Answers requests for this path; one that ends in `/` also answers for everything below it. */
  serve(path: string, handler: Handler): void {
    this.#handlers.set(path, handler);
  }

  /** The requests since the last call, oldest first. */
  takeRequests(): readonly OriginRequest[] {
    const taken = this.#requests;
    this.#requests = [];
    return taken;
  }

  /** Resolves when the next request for that path arrives. Ask before you cause it. */
  async arrival(path: string): Promise<void> {
    await once(this.#arrivals, path);
  }

  /** Resolves with the next connection, before anything is said on it. */
  async connection(): Promise<void> {
    await once(this.#server, "connection");
  }

  /** Listens, on the same port as before if it did. */
  async restart(): Promise<void> {
    if (this.#port === 0) {
      this.#port = await listenOnLoopback(this.#server);
      return;
    }
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  /** Ends every connection and refuses new ones. Idempotent. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(request: IncomingMessage, response: CountedResponse): void {
    const path = request.url ?? "";
    this.#requests.push(new LoggedRequest(request, response));
    this.#arrivals.emit(path);
    const handler = this.#handlerOf(path);
    if (handler === undefined) response.writeHead(404, { "Cache-Control": "no-store" }).end("no such thing\n");
    else void Promise.resolve(handler(request, response)).catch(() => response.destroy());
  }

  #handlerOf(path: string): Handler | undefined {
    const exact = this.#handlers.get(path);
    if (exact !== undefined) return exact;
    const prefixes = [...this.#handlers.keys()].filter((known) => known.endsWith("/") && path.startsWith(known));
    const longest = prefixes.sort((a, b) => b.length - a.length)[0];
    return longest === undefined ? undefined : this.#handlers.get(longest);
  }
}

/** The sum of the body bytes of the requests whose path fits. */
export function bodyBytes(requests: readonly OriginRequest[], fits: RegExp): number {
  return requests.filter(({ path }) => fits.test(path)).reduce((sum, request) => sum + request.bodyBytes, 0);
}

class LoggedRequest implements OriginRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly #response: CountedResponse;

  constructor(request: IncomingMessage, response: CountedResponse) {
    this.method = request.method ?? "";
    this.path = request.url ?? "";
    this.headers = request.headers;
    this.#response = response;
  }

  get status(): number {
    return this.#response.statusCode;
  }

  get bodyBytes(): number {
    return this.#response.bodyBytes;
  }
}

/** Counts body bytes as they are written; what a HEAD or 304 discards is not counted. */
class CountedResponse extends ServerResponse {
  bodyBytes = 0;

  override write(...args: unknown[]): boolean {
    this.#count(args[0]);
    return super.write(...(args as Parameters<ServerResponse["write"]>));
  }

  override end(...args: unknown[]): this {
    this.#count(args[0]);
    return super.end(...(args as Parameters<ServerResponse["end"]>));
  }

  #count(chunk: unknown): void {
    const hasBody = this.req.method !== "HEAD" && this.statusCode !== 304 && this.statusCode !== 204;
    if (hasBody && (typeof chunk === "string" || chunk instanceof Uint8Array))
      this.bodyBytes += Buffer.byteLength(chunk);
  }
}
