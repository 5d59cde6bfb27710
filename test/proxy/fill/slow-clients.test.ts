import { once } from "node:events";
import net, { type Socket } from "node:net";
import tls from "node:tls";
import { describe, expect } from "vitest";
import { get, openTunnel, readToEnd } from "../../support/client.ts";
import { noise } from "../../support/noise.ts";
import { type Bench, SETTINGS, test } from "../workbench.ts";

const MIB = 1024 * 1024;
const head = (...lines: string[]) => `${lines.join("\r\n")}\r\n\r\n`;
const patience = (short: Partial<typeof SETTINGS.patience>) => ({ patience: { ...SETTINGS.patience, ...short } });

async function enterPlain({ port }: Bench): Promise<Socket> {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

async function enterTls({ port, ca }: Bench, to = "localhost:443"): Promise<Socket> {
  const socket = await openTunnel(port, to);
  const secure = tls.connect({ socket, servername: "localhost", ca }).on("error", () => undefined);
  await once(secure, "secureConnect");
  return secure;
}

const enterTunnel = ({ port }: Bench, to = ""): Promise<Socket> => openTunnel(port, to);

const WAYS = [
  ["in plain", enterPlain],
  ["inside TLS", enterTls],
] as const;

describe("a client that is slow", () => {
  test.for(WAYS)(
    "with the head of a request is answered 408, and nobody waits for it: %s",
    async ([, enter], { origin, startLarder }) => {
      const larder = await startLarder({ settings: patience({ headMs: 1_500 }) });
      origin.serve("/a", (_, response) => void response.end("a"));
      const socket = await enter(larder);
      const answered = readToEnd(socket);
      socket.write(`GET ${origin.url}/a HTTP/1.1\r\nX-A: `);
      const drip = setInterval(() => socket.write("a"), 10);
      expect(String((await get(larder, `${origin.url}/a`)).body)).toBe("a");
      socket.once("end", () => clearInterval(drip) ?? socket.end());
      expect(await answered).toMatch(/^HTTP\/1\.1 408 .*connection: close\r\n.*REQUEST_TIMEOUT/is);
      expect(origin.takeRequests()).toHaveLength(1);
    },
  );

  test.for(WAYS)("to ask anything is let go: %s", async ([, enter], { startLarder }) => {
    const larder = await startLarder({ settings: patience({ headMs: 1_500 }) });
    const socket = await enter(larder);
    socket.resume().once("end", () => socket.end());
    await once(socket, "close");
  });

  test("to ask again is let go", async ({ origin, startLarder }) => {
    const larder = await startLarder({ settings: patience({ idleMs: 500 }) });
    origin.serve("/a", (_, response) => void response.end("a"));
    const socket = await enterPlain(larder);
    const answered = readToEnd(socket);
    socket.once("end", () => socket.end());
    socket.write(head(`GET ${origin.url}/a HTTP/1.1`, `Host: 127.0.0.1:${origin.port}`));
    expect((await answered).match(/^HTTP\/1\.1 \d+/gm)).toEqual(["HTTP/1.1 200"]);
  });

  test("with the content of a request is answered 408, and its origin is let go", async ({ origin, startLarder }) => {
    const larder = await startLarder({ settings: { bodyTimeoutMs: 1_500 } });
    const released = new Promise<void>((resolve) => {
      origin.serve("/a", (request) => void request.resume().once("close", resolve));
    });
    const socket = await enterPlain(larder);
    const answered = readToEnd(socket);
    socket.once("end", () => socket.end());
    socket.write(
      `${head(`PUT ${origin.url}/a HTTP/1.1`, `Host: 127.0.0.1:${origin.port}`, "Content-Length: 100")}some`,
    );
    expect(await answered).toMatch(/^HTTP\/1\.1 408 .*connection: close\r\n.*REQUEST_TIMEOUT/is);
    await released;
  });
});

describe("a client that reads nothing", () => {
  test("holds neither the fill nor others nor memory, and is cut when it has done so for long", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder({ settings: patience({ stalledMs: 2_000 }) });
    const body = noise("large", 24 * MIB);
    origin.serve("/large", (_, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=600", "Content-Length": body.length }).end(body);
    });
    const ask = head(`GET ${origin.url}/large HTTP/1.1`, `Host: 127.0.0.1:${origin.port}`);
    const before = process.memoryUsage().arrayBuffers;
    const idlers = await Promise.all(Array.from({ length: 20 }, () => enterPlain(larder)));
    for (const socket of idlers) socket.pause().write(ask);
    expect((await get(larder, `${origin.url}/large`)).body.equals(body)).toBe(true);
    expect((await get(larder, `${origin.url}/large`)).headers["cache-status"]).toContain("hit");
    expect(origin.takeRequests()).toHaveLength(1);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(5 * body.length);
    await larder.logged("exchange", idlers.length + 2);
    const cut = larder.log.filter(({ message, facts }) => message === "exchange" && facts["whole"] === false);
    expect(cut).toHaveLength(idlers.length);
    for (const socket of idlers) socket.destroy();
  });
});

describe("a client that reads nothing inside TLS", () => {
  test("is cut as well", async ({ authority, secureOrigin, startLarder }) => {
    const larder = await startLarder({ settings: { originRoots: authority.caPem, ...patience({ stalledMs: 1_500 }) } });
    secureOrigin.serve("/large", (_, response) => void response.end(noise("large", 24 * MIB)));
    const { host } = new URL(secureOrigin.url);
    const socket = await enterTls(larder, host);
    socket.pause().write(head("GET /large HTTP/1.1", `Host: ${host}`));
    expect((await larder.logged("exchange")).facts).toMatchObject({ whole: false });
    socket.destroy();
  });
});

describe("a client that ends its side behind its request", () => {
  test.for([...WAYS, ["inside a plain tunnel", enterTunnel] as const])(
    "gets its answer all the same: %s",
    async ([way, enter], { authority, origin, secureOrigin, startLarder }) => {
      const larder = await startLarder({ settings: { originRoots: authority.caPem } });
      const from = way === "inside TLS" ? secureOrigin : origin;
      from.serve("/a", (_, response) => void setImmediate(() => response.end("answer")));
      const at = new URL(from.url).host;
      const socket = await enter(larder, at);
      const answered = readToEnd(socket);
      socket.end(head(way === "in plain" ? `GET ${from.url}/a HTTP/1.1` : "GET /a HTTP/1.1", `Host: ${at}`));
      expect(await answered).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\nanswer$/s);
    },
  );
});

describe("requests sent ahead in one piece", () => {
  test("are answered in their order, what is stored among what is not", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/", (request, response) => {
      // The later asked, the sooner answered.
      const delays = 100 - Number(request.url?.slice(1));
      const answer = (): void =>
        void response.writeHead(200, { "Cache-Control": "max-age=600" }).end(`<${request.url}>`);
      let left = delays % 7;
      const wait = (): void => void (left-- > 0 ? setImmediate(wait) : answer());
      wait();
    });
    const paths = Array.from({ length: 100 }, (_, i) => `/${i}`);
    for (const path of paths.filter((_, i) => i % 3 === 0)) await get(larder, origin.url + path);
    origin.takeRequests();
    const host = `Host: 127.0.0.1:${origin.port}`;
    const asks = paths.map((path) => head(`GET ${origin.url}${path} HTTP/1.1`, host));
    const socket = await enterPlain(larder);
    const answered = readToEnd(socket);
    socket.end(asks.join(""));
    expect([...(await answered).matchAll(/<([^>]*)>/g)].map(([, path]) => path)).toEqual(paths);
    expect(origin.takeRequests()).toHaveLength(66);
  });
});

describe("a head that is too large", () => {
  test.for(WAYS)("is answered 431, and nothing behind it is read: %s", async ([, enter], { origin, startLarder }) => {
    const larder = await startLarder();
    const socket = await enter(larder);
    const answered = readToEnd(socket);
    socket.once("end", () => socket.end());
    const next = head(`GET ${origin.url}/next HTTP/1.1`, `Host: 127.0.0.1:${origin.port}`);
    socket.write(`GET ${origin.url}/a HTTP/1.1\r\n${"X-A: bcdef\r\n".repeat(10_000)}\r\n${next}`);
    expect(await answered).toMatch(/^HTTP\/1\.1 431 .*connection: close\r\n.*HEADERS_TOO_LARGE/is);
    expect(origin.takeRequests()).toEqual([]);
  });
});

describe("a larder that is told to end", () => {
  test("ends idle connections at once, and lets the answers under way say that they are the last", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    origin.serve("/quick", (_, response) => void response.end("quick"));
    let finish: () => void = () => undefined;
    origin.serve("/slow", (_, response) => {
      finish = () => void response.end("slow");
    });
    const host = `Host: 127.0.0.1:${origin.port}`;
    const idle = await enterPlain(larder);
    idle.write(head(`GET ${origin.url}/quick HTTP/1.1`, host));
    await once(idle, "data");
    const busy = await enterPlain(larder);
    const answered = readToEnd(busy);
    busy.once("end", () => busy.end());
    const arrived = origin.arrival("/slow");
    busy.write(head(`GET ${origin.url}/slow HTTP/1.1`, host));
    await arrived;
    const closed = larder.proxy.close({ drainMs: 60_000 });
    idle.once("end", () => idle.end());
    await once(idle, "end");
    finish();
    expect(await answered).toMatch(/^HTTP\/1\.1 200 .*connection: close\r\n.*slow/is);
    await closed;
  });
});
