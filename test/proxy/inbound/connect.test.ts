import { once } from "node:events";
import net, { type Socket } from "node:net";
import tls from "node:tls";
import { describe, expect } from "vitest";
import { get, openTunnel, readToEnd, sendRaw } from "../../support/client.ts";
import { listenOnLoopback } from "../../support/listen.ts";
import { test } from "../workbench.ts";

/** A port at which a test's own protocol is spoken. */
async function listen(onConnection: (socket: Socket) => unknown): Promise<{ port: number; close(): void }> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    onConnection(socket);
  });
  const port = await listenOnLoopback(server);
  return { port, close: () => server.close() };
}

const requestFor = (host: string, path = "/hello") =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

describe("inside a CONNECT tunnel", () => {
  test("a ClientHello that comes byte by byte is read, and its connection intercepted", async ({
    authority,
    secureOrigin,
    startLarder,
  }) => {
    const larder = await startLarder({ settings: { originRoots: authority.caPem } });
    secureOrigin.serve("/hello", (_, response) => void response.end("hello"));
    const host = `localhost:${secureOrigin.port}`;
    // The client speaks TLS to a relay, which hands its first flight on in pieces.
    const relay = await listen(async (client) => {
      const tunnel = await openTunnel(larder.port, host);
      tunnel.setNoDelay(true).on("error", () => undefined);
      const [hello] = (await once(client, "data")) as [Buffer];
      client.pause();
      for (const byte of hello) {
        tunnel.write(Buffer.of(byte));
        await new Promise(setImmediate);
      }
      client.pipe(tunnel).pipe(client);
    });
    const secure = tls.connect({ port: relay.port, servername: "localhost", ca: larder.ca });
    secure.write(requestFor(host));
    expect(await readToEnd(secure)).toMatch(/^HTTP\/1\.1 200 .*hello$/s);
    relay.close();
  });

  test("plain http is served like any other, also when its request line comes byte by byte", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    origin.serve("/hello", (_, response) => void response.end("hello"));
    const host = `127.0.0.1:${origin.port}`;
    const tunnel = await openTunnel(larder.port, host);
    tunnel.setNoDelay(true);
    for (const byte of Buffer.from(requestFor(host))) {
      tunnel.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    expect(await readToEnd(tunnel)).toMatch(/^HTTP\/1\.1 200 .*cache-status: larder-test.*hello$/is);
  });

  test("one connection carries one request after another", async ({ authority, secureOrigin, startLarder }) => {
    const larder = await startLarder({ settings: { originRoots: authority.caPem } });
    secureOrigin.serve("/hello", (request, response) => void response.end(`hello ${request.headers["x-count"]}`));
    const host = `localhost:${secureOrigin.port}`;
    const secure = tls.connect({ socket: await openTunnel(larder.port, host), servername: "localhost", ca: larder.ca });
    for (const count of [1, 2, 3]) {
      secure.write(`GET /hello HTTP/1.1\r\nHost: ${host}\r\nX-Count: ${count}\r\n\r\n`);
      let text = "";
      while (!text.includes(`hello ${count}`)) text += String(((await once(secure, "data")) as [Buffer])[0]);
    }
    secure.destroy();
    await larder.logged("exchange", 3);
    expect(larder.log.filter(({ message }) => message.startsWith("client rejected"))).toEqual([]);
  });

  test("a protocol in which the server speaks first passes blindly", async ({ startLarder }) => {
    const larder = await startLarder();
    const server = await listen((socket) => socket.end("220 at your service\r\n"));
    const tunnel = await openTunnel(larder.port, `127.0.0.1:${server.port}`);
    expect(await readToEnd(tunnel)).toBe("220 at your service\r\n");
    expect((await larder.logged("tunnel")).facts).toMatchObject({ detail: "server-first", receivedBytes: 21 });
    server.close();
  });

  test("a client that is slow to begin is opened all the same, for its server says nothing first either", async ({
    startLarder,
    secureOrigin,
    authority,
  }) => {
    const larder = await startLarder({ settings: { originRoots: authority.caPem } });
    secureOrigin.serve("/hello", (_request, response) => void response.end("hello"));
    const host = `localhost:${secureOrigin.port}`;
    const tunnel = await openTunnel(larder.port, host);
    // The other side is connected to once the client has been silent for a second.
    await secureOrigin.connection();
    const secure = tls.connect({ socket: tunnel, servername: "localhost", ca: larder.ca });
    secure.write(`GET /hello HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(await readToEnd(secure)).toMatch(/^HTTP\/1\.1 200 .*hello$/s);
  });

  test("a protocol that begins with words, as SSH does, passes blindly", async ({ startLarder }) => {
    const larder = await startLarder();
    const server = await listen((socket) => void socket.once("data", (said) => socket.end(`heard ${said}`)));
    const tunnel = await openTunnel(larder.port, `127.0.0.1:${server.port}`);
    tunnel.write("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
    expect(await readToEnd(tunnel)).toBe("heard SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
    expect((await larder.logged("tunnel")).facts).toMatchObject({ detail: "not-http" });
    server.close();
  });

  test("TLS that will not speak http/1.1 reaches the origin unopened", async ({
    authority,
    secureOrigin,
    startLarder,
  }) => {
    const larder = await startLarder();
    const host = `localhost:${secureOrigin.port}`;
    const socket = await openTunnel(larder.port, host);
    // Node's own https server refuses what it does not speak; that it is the origin's certificate tells who answered.
    const options = { socket, servername: "localhost", ca: authority.caPem, ALPNProtocols: ["h2"] };
    const [error] = (await once(tls.connect(options), "error")) as [Error];
    expect(error.message).toMatch(/no application protocol/i);
    expect((await larder.logged("tunnel")).facts).toMatchObject({ detail: "alpn" });
  });

  test("a host on the tunnel list is left alone, and each side may end by itself", async ({ startLarder }) => {
    const larder = await startLarder({ settings: { tunnel: ["127.0.0.1"] } });
    const ended = new Promise<string>((resolve) => {
      void listen((socket) => {
        let text = "";
        socket.on("data", (chunk) => {
          text += String(chunk);
        });
        socket.once("end", () => resolve(text));
        // The origin ends first, and still hears what the client says afterwards.
        socket.end("the origin's last word");
      }).then(async (server) => {
        const client = net.connect({ port: larder.port, host: "127.0.0.1", allowHalfOpen: true });
        client.write(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`);
        let heard = "";
        client.on("data", (chunk) => {
          heard += String(chunk);
        });
        await once(client, "end");
        expect(heard).toMatch(/^HTTP\/1\.1 200 .*the origin's last word$/s);
        client.end("the client's last word");
        server.close();
      });
    });
    expect(await ended).toBe("the client's last word");
    expect((await larder.logged("tunnel")).facts).toMatchObject({ detail: "tunnel-list", sentBytes: 22 });
  });

  test("a blind tunnel in which nothing moves is broken off", async ({ startLarder }) => {
    const larder = await startLarder({ settings: { tunnel: ["127.0.0.1"], tunnelIdleMs: 20 } });
    const server = await listen((socket) => socket.on("error", () => undefined).resume());
    const tunnel = await openTunnel(larder.port, `127.0.0.1:${server.port}`);
    expect((await once(tunnel, "error"))[0]).toMatchObject({ code: "ECONNRESET" });
    server.close();
  });

  test("a name that TLS does not share with CONNECT is answered 421", async ({ startLarder }) => {
    const larder = await startLarder();
    const socket = await openTunnel(larder.port, "localhost:8443");
    const secure = tls.connect({ socket, servername: "elsewhere.test", ca: larder.ca });
    secure.write(requestFor("elsewhere.test"));
    expect(await readToEnd(secure)).toMatch(/^HTTP\/1\.1 421 .*NAME_MISMATCH/s);
  });

  test.for(["TLSv1.2", "TLSv1.3"] as const)(
    "a client of %s that does not trust larder is told of once, with the cure",
    async (version, { authority, startLarder }) => {
      const larder = await startLarder();
      const socket = await openTunnel(larder.port, "localhost:8443");
      const client = tls.connect({ socket, servername: "localhost", ca: authority.caPem, maxVersion: version });
      await once(client, "error");
      const { facts } = await larder.logged("client rejected the certificate");
      expect(facts).toMatchObject({ target: "localhost:8443", cure: expect.stringContaining("--tunnel localhost") });
      await larder.proxy.close({ drainMs: 0 });
      expect(larder.log.filter(({ message }) => message.startsWith("client rejected"))).toHaveLength(1);
      expect(larder.log.filter(({ message }) => message === "exchange")).toEqual([]);
    },
  );
});

describe("a client that rejects the CA twice for a host", () => {
  /** One try to get something; the roots and versions say which client it is. */
  const attempt = async (port: number, host: string, options: tls.ConnectionOptions): Promise<string> => {
    const socket = await openTunnel(port, host);
    const secure = tls.connect({ socket, servername: "localhost", ...options });
    secure.write(requestFor(host));
    return await readToEnd(secure).catch(() => "rejected");
  };

  test("is left alone with it, and no other client or host is; a request in between starts the count anew", async ({
    authority,
    secureOrigin,
    startLarder,
  }) => {
    const larder = await startLarder({ settings: { originRoots: authority.caPem } });
    secureOrigin.serve("/hello", (_, response) => void response.end("hello"));
    const host = `localhost:${secureOrigin.port}`;
    const untrusting = { ca: authority.caPem };
    const trusting = { ca: larder.ca };
    const rejected = async (count: number) => (await larder.logged("client rejected the certificate", count)).facts;

    expect(await attempt(larder.port, host, untrusting)).toBe("rejected");
    expect(await rejected(1)).not.toHaveProperty("unopenedForMs");
    expect(await attempt(larder.port, host, trusting)).toContain("hello");
    expect(await attempt(larder.port, host, untrusting)).toBe("rejected");
    expect(await rejected(2)).not.toHaveProperty("unopenedForMs");
    expect(await attempt(larder.port, host, untrusting)).toBe("rejected");
    expect(await rejected(3)).toMatchObject({
      unopenedForMs: 600_000,
      cure: expect.stringContaining("larder ca path"),
    });

    expect(await attempt(larder.port, host, untrusting)).toMatch(/^HTTP\/1\.1 200 (?!.*cache-status).*hello/is);
    expect((await larder.logged("tunnel")).facts).toMatchObject({ detail: "untrusting-client", outcome: "fwd=bypass" });
    // Another program from the same address, told by its ClientHello: it is still served.
    expect(await attempt(larder.port, host, { ...trusting, maxVersion: "TLSv1.2" })).toMatch(
      /cache-status: larder-test/i,
    );
    expect(await attempt(larder.port, "127.0.0.1:8443", untrusting)).toBe("rejected");
    expect(await rejected(4)).toMatchObject({ target: "127.0.0.1:8443" });
  });

  test("is not left alone where that is switched off", async ({ authority, startLarder }) => {
    const larder = await startLarder({ settings: { tunnelUntrustingMs: 0 } });
    for (const count of [1, 2, 3]) {
      expect(await attempt(larder.port, "localhost:8443", { ca: authority.caPem })).toBe("rejected");
      expect((await larder.logged("client rejected the certificate", count)).facts).not.toHaveProperty("unopenedForMs");
    }
  });
});

describe("a client that leaves", () => {
  test.for([
    ["before it says anything", ""],
    ["in mid-ClientHello", "\x16\x03\x01\x02\x00\x01"],
    ["in mid-request", "GET /hello HT"],
  ])("%s takes its connection along", async ([, said], { origin, startLarder }) => {
    const larder = await startLarder();
    const tunnel = await openTunnel(larder.port, `127.0.0.1:${origin.port}`);
    if (said !== "") tunnel.write(said as string, "latin1");
    const gone = once(tunnel.resume(), "close");
    tunnel.end();
    await gone;
    expect(origin.takeRequests()).toEqual([]);
  });

  test("while its blind tunnel is being opened leaves no connection to the origin behind", async ({ startLarder }) => {
    let ask: (tunnel: Socket) => void = () => undefined;
    const asked = new Promise<Socket>((resolve) => {
      ask = resolve;
    });
    const parent = await listen((socket) => void socket.once("data", () => ask(socket)));
    const parents = { http: undefined, https: `http://127.0.0.1:${parent.port}`, noProxy: "", rules: [] };
    const larder = await startLarder({ settings: { tunnel: ["*"], parentProxies: parents } });
    const answer = sendRaw(larder.port, "CONNECT far.larder.test:443 HTTP/1.1\r\nHost: far.larder.test:443\r\n\r\n");
    const tunnel = await asked;
    await larder.proxy.close({ drainMs: 0 });
    tunnel.write("HTTP/1.1 200 OK\r\n\r\n");
    expect((await once(tunnel, "error"))[0]).toMatchObject({ code: "ECONNRESET" });
    expect(await answer).toBe("");
    parent.close();
  });
});

describe("a CONNECT that is refused", () => {
  test.for([
    ["a port that is closed", "127.0.0.1:22", 403, "PORT_NOT_ALLOWED"],
    ["a link-local address", "169.254.169.254:80", 403, "DESTINATION_NOT_ALLOWED"],
    ["no port", "127.0.0.1", 400, "CONNECT_NEEDS_PORT"],
    ["a password", "me:secret@127.0.0.1:443", 400, "USERINFO_IN_TARGET"],
  ] as const)(
    "for %s is answered with its code, and nothing secret is written down",
    async ([, target, status, code], { startLarder }) => {
      const larder = await startLarder();
      const answer = await sendRaw(larder.port, `CONNECT ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .*${code}`, "s"));
      expect(JSON.stringify(larder.log)).not.toContain("secret");
      expect((await larder.logged("tunnel")).facts).toMatchObject({ code });
    },
  );

  test("because its blind tunnel cannot be opened is told so before it is established", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder({ settings: { tunnel: ["127.0.0.1"] } });
    await origin.stop();
    const answer = await sendRaw(larder.port, `CONNECT 127.0.0.1:${origin.port} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 502 .*ORIGIN_REFUSED/s);
  });

  test("by the parent proxy is answered PARENT_PROXY, and the parent's connection is let go", async ({
    startLarder,
  }) => {
    let ended: () => void = () => undefined;
    const isEnded = new Promise<void>((resolve) => {
      ended = resolve;
    });
    const parent = await listen((socket) => {
      socket.once("end", () => socket.end(ended));
      socket.once("data", () => socket.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"));
    });
    const url = `http://127.0.0.1:${parent.port}`;
    const larder = await startLarder({
      settings: { tunnel: ["*"], parentProxies: { http: undefined, https: url, noProxy: "", rules: [] } },
    });
    const answer = await sendRaw(larder.port, "CONNECT far.larder.test:443 HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 502 .*PARENT_PROXY/s);
    await isEnded;
    parent.close();
  });
});

test("https through the client of the tests is intercepted, and the second time a hit", async ({
  authority,
  secureOrigin,
  startLarder,
}) => {
  const larder = await startLarder({ settings: { originRoots: authority.caPem } });
  secureOrigin.serve(
    "/a.rpm",
    (_, response) => void response.writeHead(200, { ETag: '"1"', "Cache-Control": "max-age=60" }).end("bytes"),
  );
  const through = { port: larder.port, ca: larder.ca };
  expect(String((await get(through, `${secureOrigin.url}/a.rpm`)).body)).toBe("bytes");
  expect((await get(through, `${secureOrigin.url}/a.rpm`)).headers["cache-status"]).toContain("; hit");
});
