import { once } from "node:events";
import { chmod } from "node:fs/promises";
import http, { type IncomingMessage } from "node:http";
import net, { type Socket } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { describe, expect } from "vitest";
import type { ParentRule } from "../../../proxy/settings.ts";
import { get, open, openTunnel, sendRaw } from "../../support/client.ts";
import { bytesHandler } from "../../support/files.ts";
import { listenOnLoopback, unusedPort } from "../../support/listen.ts";
import { Squid } from "../../support/networks/squid.ts";
import { noise } from "../../support/noise.ts";
import { echoWebSocket } from "../../support/web-socket.ts";
import { test as base } from "../workbench.ts";

const USER = { user: "builder", password: "s3cret:with@signs" };
const CREDENTIALS = `${USER.user}:${USER.password}`;

/** The settings by which everything goes by these routes. */
function through(routes: readonly string[], more: Partial<ParentRule> = {}) {
  const rules = [{ hosts: ["*"], scheme: undefined, routes, credentials: undefined, ...more }];
  return { parentProxies: { http: undefined, https: undefined, noProxy: "", rules } };
}

const test = base
  .extend("squid", async ({ folder }, { onCleanup }) => {
    // Squid drops its privileges.
    await chmod(folder, 0o755);
    const squid = await Squid.start(join(folder, "squid"), USER);
    onCleanup(() => squid.stop());
    return squid;
  })
  /** A proxy that tunnels, and can be taken away. */
  .extend("tunnelling", async ({ task: _ }, { onCleanup }) => {
    const sockets = new Set<Socket>();
    const server = http.createServer().on("connect", ({ url = "" }: IncomingMessage, client: Socket) => {
      const upstream = net.connect(Number(url.split(":")[1]), "127.0.0.1", () =>
        client.write("HTTP/1.1 200 OK\r\n\r\n"),
      );
      for (const socket of [client, upstream]) sockets.add(socket.on("error", () => undefined));
      client.pipe(upstream).pipe(client);
    });
    const port = await listenOnLoopback(server);
    const stop = () => {
      server.close();
      for (const socket of sockets) socket.resetAndDestroy();
    };
    onCleanup(stop);
    return { url: `http://127.0.0.1:${port}`, stop };
  })
  /** Takes connections and says nothing on them. */
  .extend("silent", async ({ task: _ }, { onCleanup }) => {
    const sockets: Socket[] = [];
    const server = net.createServer((socket) => void sockets.push(socket));
    const port = await listenOnLoopback(server);
    onCleanup(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return `http://127.0.0.1:${port}`;
  });

describe("Squid before larder, which wants a name and a password", () => {
  test("is shown them for http, https and other methods, and they are written down nowhere", async ({
    squid,
    origin,
    secureOrigin,
    authority,
    startLarder,
  }) => {
    const settings = through([`http://127.0.0.1:${squid.port}`], { credentials: CREDENTIALS });
    const larder = await startLarder({ settings: { ...settings, originRoots: authority.caPem } });
    origin.serve("/file", async (request, response) => void response.end(await buffer(request)));
    secureOrigin.serve("/file", (_, response) => void response.end("https"));
    const trusting = { port: larder.port, ca: larder.ca };
    expect(String((await get(trusting, `${secureOrigin.url}/file`)).body)).toBe("https");
    expect((await get(larder, `${origin.url}/file`)).status).toBe(200);
    const host = new URL(origin.url).host;
    const head = `POST ${origin.url}/file HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello`;
    expect(await sendRaw(larder.port, head)).toMatch(/\r\nhello/);
    // A tunnel is written down when it ends.
    expect(await squid.requests()).toEqual([`builder GET ${origin.url}/file`, `builder POST ${origin.url}/file`]);
    expect(JSON.stringify(larder.log)).not.toContain("s3cret");
    expect(origin.takeRequests().map(({ headers }) => headers["proxy-authorization"])).toEqual([undefined, undefined]);
  });

  test("gives way to the next when they are wrong", async ({ squid, origin, secureOrigin, authority, startLarder }) => {
    const next = await startLarder({ settings: { pseudonym: "larder-next" } });
    const routes = [`http://builder:wrong@127.0.0.1:${squid.port}`, `http://127.0.0.1:${next.port}`];
    const settings = { ...through(routes), originRoots: `${authority.caPem}\n${next.ca}` };
    const larder = await startLarder({ settings });
    origin.serve("/file", (_, response) => void response.end("http"));
    expect(String((await get(larder, `${origin.url}/file`)).body)).toBe("http");
    secureOrigin.serve("/file", (_, response) => void response.end("https"));
    // The second larder does not trust that origin's authority: that its own word comes back shows the way that was taken.
    const answer = await get({ port: larder.port, ca: larder.ca }, `${secureOrigin.url}/file`);
    expect(answer.body.toString()).toContain("ORIGIN_CERTIFICATE");
    expect(await squid.requests()).toContain(`builder GET ${origin.url}/file`);
  });

  test("is told of when it is the only way", async ({ squid, origin, startLarder }) => {
    const larder = await startLarder({ settings: through([`http://127.0.0.1:${squid.port}`]) });
    const answer = await get(larder, `${origin.url}/file`);
    expect([answer.status, answer.headers["proxy-authenticate"]]).toEqual([502, undefined]);
    expect(answer.body.toString()).toMatch(/PARENT_PROXY.*407/);
    const host = new URL(origin.url).host;
    const head = `POST ${origin.url}/file HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
    expect(await sendRaw(larder.port, head)).toMatch(/^HTTP\/1\.1 502 .*PARENT_PROXY/s);
  });
});

describe("a parent that cannot be used", () => {
  test.for(["refuses", "is silent"])(
    "because it %s gives way to the next, for requests and tunnels",
    async (fault, { silent, tunnelling, secureOrigin, authority, startLarder }) => {
      const first = fault === "refuses" ? `http://127.0.0.1:${await unusedPort()}` : silent;
      const settings = { ...through([first, tunnelling.url]), originRoots: authority.caPem, connectTimeoutMs: 1_500 };
      const larder = await startLarder({ settings });
      secureOrigin.serve("/file", (_, response) => void response.end("here"));
      expect(String((await get({ port: larder.port, ca: larder.ca }, `${secureOrigin.url}/file`)).body)).toBe("here");
      const blind = await startLarder({ settings: { ...settings, tunnel: ["*"] } });
      const trusting = { port: blind.port, ca: authority.caPem };
      expect(String((await get(trusting, `${secureOrigin.url}/file`)).body)).toBe("here");
    },
  );

  test("is asked last for a while", async ({ tunnelling, secureOrigin, authority, startLarder }) => {
    let asked = 0;
    const first = net.createServer((socket) => {
      asked += 1;
      socket.destroy();
    });
    const port = await listenOnLoopback(first);
    const settings = { ...through([`http://127.0.0.1:${port}`, tunnelling.url]), originRoots: authority.caPem };
    let nowMs = Date.now();
    const larder = await startLarder({ clock: () => nowMs, settings: { ...settings, tunnel: ["*"] } });
    const trusting = { port: larder.port, ca: authority.caPem };
    const ask = async () => (await get(trusting, `${secureOrigin.url}/file`)).status;
    expect([await ask(), await ask()]).toEqual([404, 404]);
    expect(asked).toBe(1);
    nowMs += 30_000;
    expect(await ask()).toBe(404);
    expect(asked).toBe(2);
    first.close();
  });

  test("gives way to the next for plain requests, their content and upgrades", async ({ origin, startLarder }) => {
    const next = await startLarder({ settings: { pseudonym: "larder-next" } });
    const routes = [`http://127.0.0.1:${await unusedPort()}`, `http://127.0.0.1:${next.port}`];
    const larder = await startLarder({ settings: through(routes) });
    origin.serve("/file", async (request, response) => void response.end(`got ${await buffer(request)}`));
    expect(String((await get(larder, `${origin.url}/file`)).body)).toBe("got ");
    const host = new URL(origin.url).host;
    const head = `POST ${origin.url}/file HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello`;
    expect(await sendRaw(larder.port, head)).toContain("got hello");
    const server = http.createServer().on("upgrade", echoWebSocket);
    const port = await listenOnLoopback(server);
    const socket = net.connect(larder.port, "127.0.0.1");
    socket.write(
      `GET http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    );
    expect(String((await once(socket, "data"))[0])).toMatch(/^HTTP\/1\.1 101 /);
    socket.destroy();
    server.close().closeAllConnections();
    await next.logged("exchange", 3);
  });

  test("gives way to the origin itself where that is an entry", async ({ origin, startLarder }) => {
    const larder = await startLarder({ settings: through([`http://127.0.0.1:${await unusedPort()}`, "direct"]) });
    origin.serve("/file", (_, response) => void response.end("here"));
    expect(String((await get(larder, `${origin.url}/file`)).body)).toBe("here");
  });

  test("is named, with the others, when none leads out", async ({ origin, startLarder }) => {
    const [one, other] = [await unusedPort(), await unusedPort()];
    const larder = await startLarder({ settings: through([`http://127.0.0.1:${one}`, `http://127.0.0.1:${other}`]) });
    const answer = await get(larder, `${origin.url}/file`);
    expect(answer.status).toBe(502);
    expect(answer.body.toString()).toMatch(new RegExp(`ORIGIN_REFUSED: .*:${one}.*; then .*:${other}`));
  });

  test("dies in mid-download, and the rest comes by the next", async ({
    tunnelling,
    secureOrigin,
    authority,
    startLarder,
  }) => {
    const settings = { ...through([tunnelling.url, "direct"]), originRoots: authority.caPem };
    const larder = await startLarder({ settings });
    const body = noise("download", 1_000_000);
    const half = body.length / 2;
    secureOrigin.serve("/file.rpm", (request, response) => {
      response.setHeader("ETag", '"one"');
      if (request.headers.range === undefined) {
        response.writeHead(200, { "Content-Length": body.length, "Cache-Control": "max-age=60" });
        response.write(body.subarray(0, half));
        return;
      }
      const first = Number(/\d+/.exec(request.headers.range)?.[0]);
      response.writeHead(206, { "Content-Range": `bytes ${first}-${body.length - 1}/${body.length}` });
      response.end(body.subarray(first));
    });
    const answer = await open({ port: larder.port, ca: larder.ca }, `${secureOrigin.url}/file.rpm`);
    const chunks: Buffer[] = [];
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (chunks.length === 0) tunnelling.stop();
      chunks.push(chunk);
    }
    expect(Buffer.concat(chunks).equals(body)).toBe(true);
    expect(secureOrigin.takeRequests().map(({ headers }) => headers.range === undefined)).toEqual([true, false]);
  });
});

describe("a larder behind a larder", () => {
  test("has https fetched by it, and both keep it", async ({ secureOrigin, authority, startLarder }) => {
    const next = await startLarder({ settings: { originRoots: authority.caPem, pseudonym: "larder-next" } });
    const larder = await startLarder({
      settings: { ...through([`http://127.0.0.1:${next.port}`]), originRoots: next.ca },
    });
    secureOrigin.serve("/a.rpm", bytesHandler(Buffer.from("a package"), { "Cache-Control": "max-age=60" }));
    const trusting = { port: larder.port, ca: larder.ca };
    expect(String((await get(trusting, `${secureOrigin.url}/a.rpm`)).body)).toBe("a package");
    expect((await get(trusting, `${secureOrigin.url}/a.rpm`)).headers["cache-status"]).toContain("larder-test; hit");
    const direct = { port: next.port, ca: next.ca };
    expect((await get(direct, `${secureOrigin.url}/a.rpm`)).headers["cache-status"]).toContain("larder-next; hit");
    expect(secureOrigin.takeRequests()).toHaveLength(1);
  });

  test("that leads back to it is told so", async ({ origin, startLarder }) => {
    const port = await unusedPort();
    const routes = [`http://127.0.0.1:${port}`];
    const next = await startLarder({ settings: { ...through(routes), pseudonym: "larder-next", tunnel: ["*"] } });
    const back = { ...through([`http://127.0.0.1:${next.port}`]), pseudonym: "larder-first", tunnel: ["*"] };
    const larder = await startLarder({ settings: back });
    const listener = await larder.proxy.listen({ host: "127.0.0.1", port });
    const answer = await get(larder, `${origin.url}/file`);
    expect(answer.status).toBe(508);
    expect(answer.body.toString()).toContain("LOOP_DETECTED");
    await expect(openTunnel(larder.port, "127.0.0.1:443")).rejects.toThrow("502");
    expect(larder.log.map(({ facts }) => facts["code"])).toContain("LOOP_DETECTED");
    await listener.close();
  });
});
