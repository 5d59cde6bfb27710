import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { describe, expect } from "vitest";
import { get, openTunnel, readToEnd, readUntil, requestFor } from "../../support/client.ts";
import { listenWith } from "../../support/listen.ts";
import { test } from "../workbench.ts";

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
    const relay = await listenWith(async (client) => {
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
      await readUntil(secure, `hello ${count}`);
    }
    secure.destroy();
    await larder.logged("exchange", 3);
    expect(larder.log.filter(({ message }) => message.startsWith("client rejected"))).toEqual([]);
  });

  test("a protocol in which the server speaks first passes blindly", async ({ startLarder }) => {
    const larder = await startLarder();
    const server = await listenWith((socket) => socket.end("220 at your service\r\n"));
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
    // The other side is connected to once the client has been silent for a second.
    const connected = secureOrigin.connection();
    const tunnel = await openTunnel(larder.port, host);
    await connected;
    const secure = tls.connect({ socket: tunnel, servername: "localhost", ca: larder.ca });
    secure.write(`GET /hello HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(await readToEnd(secure)).toMatch(/^HTTP\/1\.1 200 .*hello$/s);
  });

  test("a protocol that begins with words, as SSH does, passes blindly", async ({ startLarder }) => {
    const larder = await startLarder();
    const server = await listenWith((socket) => void socket.once("data", (said) => socket.end(`heard ${said}`)));
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
      void listenWith((socket) => {
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
    const larder = await startLarder({ settings: { tunnel: ["127.0.0.1"], tunnelIdleMs: 200 } });
    const server = await listenWith((socket) => socket.on("error", () => undefined).resume());
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
