import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import tls from "node:tls";
import { describe, expect } from "vitest";
import { get } from "../../support/client.ts";
import { test as base } from "../workbench.ts";

const CREDENTIALS = `Basic ${Buffer.from("builder:secret").toString("base64")}`;

/** What a parent does with what it is asked, over the bare connection. */
type Failure = (socket: net.Socket) => void;

const answering = (status: number): Failure => {
  const fields = "Retry-After: 60\r\nContent-Length: 4\r\nProxy-Authenticate: Basic realm=x\r\n";
  return (socket) => socket.once("data", () => socket.write(`HTTP/1.1 ${status} No\r\n${fields}\r\nbusy`));
};

const FAILURES: readonly (readonly [title: string, fail: Failure])[] = [
  ...[407, 502, 503, 504].map((status) => [`answers ${status}`, answering(status)] as const),
  ["takes the request and says nothing", (socket) => void socket.resume()],
  ["ends in the middle of its head", (socket) => socket.once("data", () => socket.end("HTTP/1.1 200 O"))],
  ["resets what it is asked", (socket) => socket.once("data", () => socket.resetAndDestroy())],
  ["does not speak HTTP", (socket) => socket.once("data", () => socket.end("SSH-2.0-x\r\n"))],
];

/** A port that every connection fails at, and how often it was tried. */
interface FailingParent {
  readonly host: string;
  readonly tries: () => number;
}

const test = base
  .extend("startParent", async ({ task: _ }, { onCleanup }) => {
    const stops: (() => void)[] = [];
    onCleanup(() => {
      for (const stop of stops) stop();
    });
    return async (take: Failure): Promise<FailingParent> => {
      const open = new Set<net.Socket>();
      let tries = 0;
      const server = net.createServer((socket) => {
        tries += 1;
        open.add(socket.on("error", () => undefined));
        take(socket);
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      stops.push(() => {
        server.close();
        for (const socket of open) socket.destroy();
      });
      return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, tries: () => tries };
    };
  })
  /** A parent that leads out, and what it was shown. */
  .extend("leadingOut", async ({ task: _ }, { onCleanup }) => {
    const shown: (string | undefined)[] = [];
    const server = http.createServer((request, response) => {
      shown.push(request.headers["proxy-authorization"]);
      const { "proxy-authorization": _own, ...headers } = request.headers;
      const onward = http.request(request.url ?? "", { method: request.method ?? "GET", headers });
      onward.once("response", (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(response);
      });
      request.pipe(onward);
    });
    server.on("connect", (request, socket) => {
      shown.push(request.headers["proxy-authorization"]);
      const { hostname, port } = new URL(`http://${request.url}`);
      const onward = net.connect(Number(port), hostname, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(onward).pipe(socket);
      });
      for (const side of [socket, onward]) side.on("error", () => undefined);
      socket.once("close", () => onward.destroy());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onCleanup(() => server.close().closeAllConnections());
    return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, shown };
  });

const through = (...routes: string[]) => ({
  connectTimeoutMs: 500,
  headersTimeoutMs: 1_000,
  parentProxies: {
    http: undefined,
    https: undefined,
    noProxy: "",
    rules: [{ hosts: ["*"], scheme: undefined, routes, credentials: "builder:secret" }],
  },
});

describe("a parent that", () => {
  test.for(FAILURES)(
    "%s gives way to the next, for requests and for tunnels",
    async ([, fail], { authority, origin, secureOrigin, leadingOut, startLarder, startParent }) => {
      const parent = await startParent(fail);
      const settings = through(`http://${parent.host}`, `http://${leadingOut.host}`);
      const larder = await startLarder({ settings: { ...settings, originRoots: authority.caPem } });
      for (const site of [origin, secureOrigin]) {
        site.serve("/a", (_, response) => void response.end("here"));
        expect(await get(larder, `${site.url}/a`)).toMatchObject({ status: 200, body: Buffer.from("here") });
        for (const { headers } of site.takeRequests()) expect(headers).not.toHaveProperty("proxy-authorization");
      }
      expect(parent.tries()).toBeGreaterThan(0);
      expect(leadingOut.shown).toEqual([CREDENTIALS, CREDENTIALS]);
    },
  );

  test.for(["self-signed", "expired", "wrong-name"] as const)(
    "shows a certificate that is %s is told no password, and gives way to the next",
    async (kind, { authority, origin, secureOrigin, leadingOut, startLarder, startParent }) => {
      const heard: string[] = [];
      const context = tls.createSecureContext(authority.certificate(kind));
      const parent = await startParent((socket) => {
        const secure = new tls.TLSSocket(socket, { isServer: true, secureContext: context });
        secure.on("error", () => undefined).on("data", (bytes: Buffer) => heard.push(String(bytes)));
      });
      const settings = through(`https://${parent.host}`, `http://${leadingOut.host}`);
      const larder = await startLarder({ settings: { ...settings, originRoots: authority.caPem } });
      for (const site of [origin, secureOrigin]) expect((await get(larder, `${site.url}/a`)).status).toBe(404);
      const only = { ...through(`https://${parent.host}`), originRoots: authority.caPem };
      const stuck = await startLarder({ settings: only });
      for (const site of [origin, secureOrigin]) {
        const told = await get(stuck, `${site.url}/a`);
        expect(told.status).toBe(502);
        expect(String(told.body)).toContain(`PARENT_PROXY: proxy ${parent.host}`);
      }
      expect(parent.tries()).toBeGreaterThan(1);
      expect(heard).toEqual([]);
    },
  );

  test.for(["says nothing", "ends"])(
    "%s in the middle of TLS gives way to the next",
    async (how, { authority, origin, secureOrigin, leadingOut, startLarder, startParent }) => {
      const parent = await startParent((socket) =>
        socket.once("data", () =>
          how === "ends" ? socket.end("\x16\x03\x03", "latin1") : socket.write("\x16\x03\x03", "latin1"),
        ),
      );
      const settings = through(`https://${parent.host}`, `http://${leadingOut.host}`);
      const larder = await startLarder({ settings: { ...settings, originRoots: authority.caPem } });
      for (const site of [origin, secureOrigin]) expect((await get(larder, `${site.url}/a`)).status).toBe(404);
    },
  );

  test("is behind TLS leads out, for requests and for tunnels", async ({
    authority,
    origin,
    secureOrigin,
    leadingOut,
    startLarder,
    startParent,
  }) => {
    const context = tls.createSecureContext(authority.certificate("good"));
    const parent = await startParent((socket) => {
      const secure = new tls.TLSSocket(socket, { isServer: true, secureContext: context });
      const inner = net.connect(Number(leadingOut.host.split(":")[1]), "127.0.0.1");
      for (const side of [secure, inner]) side.on("error", () => undefined);
      secure.pipe(inner).pipe(secure);
    });
    const settings = { ...through(`https://${parent.host}`), originRoots: authority.caPem };
    const larder = await startLarder({ settings });
    for (const site of [origin, secureOrigin]) expect((await get(larder, `${site.url}/a`)).status).toBe(404);
    expect(leadingOut.shown).toEqual([CREDENTIALS, CREDENTIALS]);
  });

  test("is the only way has its 503 handed on, which holds nothing but what it says", async ({
    origin,
    startLarder,
    startParent,
  }) => {
    const parent = await startParent(answering(503));
    const larder = await startLarder({ settings: through(`http://${parent.host}`) });
    const told = await get(larder, `${origin.url}/a`);
    expect(told).toMatchObject({ status: 503, body: Buffer.from("busy") });
    expect(told.headers).not.toHaveProperty("proxy-authenticate");
  });
});
