/** Servers in a network of a test's own (test/support/networks/network.ts starts this as a process there). Prints `ready` when all listen. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http, { type RequestListener, type ServerResponse } from "node:http";
import https from "node:https";
import net, { type Server } from "node:net";
import { join } from "node:path";
import type { KeyPair } from "../authority.ts";
import { folderHandler } from "../files.ts";

/** What listens at an address. */
export interface Host {
  /**
   * `silent` accepts and never says a word, `banner` speaks first, as ssh does; `page` is somebody else's web server, `folder`
   * serves files; `names` takes questions by UDP and never answers, as an overloaded name server.
   */
  readonly kind: "silent" | "banner" | "page" | "folder" | "names";
  readonly address: string;
  readonly port: number;
  /** With it `page` and `folder` speak https. */
  readonly tls?: KeyPair;
  readonly folder?: string;
  /** The first answer to a path that begins so stops in the middle for ever; then `stalled` is printed. */
  readonly stallsOnceIn?: string;
}

const byHttp = (answer: RequestListener, { tls }: Host): Server =>
  tls === undefined ? http.createServer(answer) : https.createServer(tls, answer);

const SERVERS: Readonly<Record<Exclude<Host["kind"], "names">, (host: Host) => Server>> = {
  silent: () => net.createServer((socket) => void socket.on("error", () => undefined).resume()),
  banner: () => net.createServer((socket) => void socket.on("error", () => undefined).write("SSH-2.0-OpenSSH_9.2\r\n")),
  page: (host) => byHttp((_request, response) => void response.end("<h1>It works!</h1>\n"), host),
  folder: (host) => {
    const answer = folderHandler("/", host.folder ?? ".");
    let mayStall = host.stallsOnceIn !== undefined;
    return byHttp((request, response) => {
      const path = request.url ?? "";
      const stalls = mayStall && path.startsWith(host.stallsOnceIn ?? "");
      if (stalls) mayStall = false;
      if (stalls) void stall(response, join(host.folder ?? ".", path));
      else void answer(request, response);
    }, host);
  },
};

async function stall(response: ServerResponse, file: string): Promise<void> {
  const body = await readFile(file);
  response.writeHead(200, { "Content-Length": body.length });
  response.write(body.subarray(0, body.length / 2), () => console.log("stalled"));
}

async function start(host: Host): Promise<void> {
  const { kind, address, port } = host;
  if (kind === "names") {
    const socket = createSocket({ type: net.isIPv6(address) ? "udp6" : "udp4" }).bind(port, address);
    await once(socket, "listening");
  } else {
    const server = SERVERS[kind](host).listen(port, address);
    await once(server, "listening");
  }
}

for (const host of JSON.parse(process.argv[2] ?? "[]") as readonly Host[]) await start(host);
console.log("ready");
