/**
 * A child that is the suite's origin and its client, and prints what came out of each test as one line of JSON. Its argument is a
 * {@link SuiteOrder}. The suite keeps its state in its modules and changes its tests as it runs them: one process, one run.
 */
import { once } from "node:events";
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import https from "node:https";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { setBaseUrl, setFetch } from "http-cache-tests/client/config.mjs";
import { makeCacheTest, testResults } from "http-cache-tests/client/test.mjs";
import handleConfig from "http-cache-tests/server/handle-config.mjs";
import handleState from "http-cache-tests/server/handle-state.mjs";
import handleTest from "http-cache-tests/server/handle-test.mjs";
import suites from "http-cache-tests/tests/index.mjs";
import { Agent, type Dispatcher, Pool } from "undici";
import type { KeyPair } from "../support/authority.ts";
import { openTunnel } from "../support/client.ts";
import { listenOnLoopback } from "../support/listen.ts";
import { applicableTests } from "./results.ts";

/** How the suite is run. */
export interface SuiteOrder {
  readonly proxy: string;
  /** With them the origin speaks https, and the client comes through a tunnel that the proxy opens. */
  readonly tls?: { readonly origin: KeyPair; readonly trusted: string } | undefined;
  /** Run these tests only, and tell what is sent and received. */
  readonly only?: readonly string[] | undefined;
}

export type SuiteHandler = (segments: string[], request: IncomingMessage, response: ServerResponse) => void;

/** The suite's own form of what a client sends. */
export interface SuiteRequest {
  readonly method?: string;
  readonly headers?: readonly (readonly [string, string | number])[];
  readonly body?: string;
}

const HANDLERS: Readonly<Record<string, SuiteHandler>> = {
  config: handleConfig,
  state: handleState,
  test: handleTest,
};

function originFor({ tls }: SuiteOrder): http.Server {
  const answer: RequestListener = (incoming, response) => {
    const [handler = "", ...segments] = new URL(incoming.url ?? "", "http://origin").pathname.split("/").slice(1);
    HANDLERS[handler]?.(segments, incoming, response);
  };
  return tls === undefined ? http.createServer(answer) : https.createServer(tls.origin, answer);
}

/** Every test runs at once; most of them wait most of the time. */
const CONNECTIONS = 32;

/** Sends a request through the proxy. */
type Send = (url: URL, options: Omit<Dispatcher.RequestOptions, "origin" | "path">) => Promise<Dispatcher.ResponseData>;

/** Absolute-form for http, CONNECT and TLS for https; undici's own ProxyAgent makes one field line of several. */
function senderThrough({ proxy, tls }: SuiteOrder): Send {
  const port = Number(new URL(proxy).port);
  if (tls === undefined) {
    const pool = new Pool(proxy, { connections: CONNECTIONS });
    return (url, options) => {
      const headers = ["Host", url.host, ...((options.headers ?? []) as string[])];
      return pool.request({ ...options, path: url.href, headers });
    };
  }
  const connect = async (authority: string): Promise<TLSSocket> => {
    const socket = await openTunnel(port, authority);
    const secure = connectTls({ socket, servername: "localhost", ca: tls.trusted, ALPNProtocols: ["http/1.1"] });
    await once(secure, "secureConnect");
    return secure;
  };
  const agent = new Agent({
    connections: CONNECTIONS,
    connect: ({ hostname, port: at }, done) => {
      connect(`${hostname}:${at}`).then(
        (socket) => done(null, socket),
        (error: Error) => done(error, null),
      );
    },
  });
  return (url, options) => agent.request({ ...options, origin: url.origin, path: url.pathname + url.search });
}

/** What the suite reads of an answer: node's own Response refuses statuses that the suite gives a meaning to. */
async function fetchThrough(send: Send, url: string, init: SuiteRequest = {}) {
  const { method = "GET", headers = [], body = null } = init;
  const sent = headers.flatMap(([name, value]) => [name, String(value)]);
  const answer = await send(new URL(url), { method: method as Dispatcher.HttpMethod, headers: sent, body });
  const received = new Headers();
  for (const [name, value] of Object.entries(answer.headers)) {
    for (const line of [value].flat()) received.append(name, line ?? "");
  }
  const text = await answer.body.text();
  return { status: answer.statusCode, statusText: "", headers: received, text: async () => text };
}

async function run(order: SuiteOrder): Promise<void> {
  const { tls, only } = order;
  const origin = originFor(order);
  const port = await listenOnLoopback(origin);
  const send = senderThrough(order);
  setFetch((url, init) => fetchThrough(send, url, init));
  setBaseUrl(tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`);
  const tests = applicableTests(suites);
  const wanted = only === undefined ? tests : tests.filter(({ id }) => only.includes(id));
  await Promise.all(wanted.map((test) => makeCacheTest(only === undefined ? test : { ...test, dump: true })));
  process.stdout.write(`${JSON.stringify(testResults)}\n`, () => process.exit());
}

await run(JSON.parse(process.argv[2] ?? ""));
