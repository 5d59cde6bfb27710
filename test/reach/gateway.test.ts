import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import multicastDns from "multicast-dns";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLog } from "../../core/log.ts";
import type { HostPort } from "../../core/target.ts";
import { dialFirst } from "../../reach/dial-first.ts";
import { type Gateway, openGateway } from "../../reach/gateway.ts";
import { createLocalLink } from "../../reach/local-link/questions.ts";
import { Names, systemNames } from "../../reach/names.ts";
import { readOverride } from "../../reach/override.ts";
import { listenOnLoopback, unusedPort } from "../support/listen.ts";
import { noise } from "../support/noise.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A server that says its name, then hands back what it hears, until its client ends. */
async function greeter(name: string): Promise<HostPort> {
  const open = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on("error", () => undefined);
    socket.write(`${name} `);
    socket.pipe(socket);
  });
  const port = await listenOnLoopback(server);
  closing.push(async () => {
    for (const socket of open) socket.destroy();
    server.close();
    await once(server, "close");
  });
  return { host: "127.0.0.1", port };
}

async function gatewayTo(
  places: () => Promise<readonly HostPort[]>,
  names: Pick<Names, "addressesOf"> = systemNames(createLocalLink()),
): Promise<Gateway> {
  const dialProxy = async () => dialFirst(await places(), { timeoutMs: 2_000, names });
  const gateway = await openGateway(LOOPBACK, dialProxy, silentLog);
  closing.push(() => gateway.close());
  return gateway;
}

async function exchange({ port }: Gateway, request: string): Promise<string> {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end(request);
  return text(socket);
}

describe("a gateway", () => {
  test("forwards both ways, and each side's end by itself", async () => {
    const place = await greeter("one");
    expect(await exchange(await gatewayTo(async () => [place]), "hello")).toBe("one hello");
  });

  test("takes the next place when one refuses, has no address, or never answers", async () => {
    const place = await greeter("last");
    const addressesOf = async (name: string) => {
      if (name === "hangs.example") return new Promise<never>(() => undefined);
      return name === place.host ? [{ address: name, family: 4 }] : [];
    };
    const places = [
      { host: "127.0.0.1", port: await unusedPort() },
      { host: "unknown.example", port: 3142 },
      { host: "hangs.example", port: 3142 },
      place,
    ];
    expect(await exchange(await gatewayTo(async () => places, { addressesOf }), "hello")).toBe("last hello");
  });

  test("looks up a name for each connection, and takes whichever of its addresses answers", async () => {
    const place = await greeter("here");
    const asked: string[] = [];
    const gateway = await gatewayTo(async () => [{ host: "cache.example", port: place.port }], {
      addressesOf: async (name) => {
        asked.push(name);
        return [
          { address: "::1", family: 6 },
          { address: "127.0.0.1", family: 4 },
        ];
      },
    });
    expect(await exchange(gateway, "1")).toBe("here 1");
    expect(await exchange(gateway, "2")).toBe("here 2");
    expect(asked).toEqual(["cache.example", "cache.example"]);
  });

  test("asks the local link for a .local name", async () => {
    const probe = createSocket("udp4").bind(0, "127.0.0.1");
    await once(probe, "listening");
    const group = { interface: "127.0.0.1", port: probe.address().port };
    probe.close();
    const responder = multicastDns({ ...group, bind: "0.0.0.0" });
    closing.push(async () => responder.destroy());
    const answers = [{ name: "cache.local", type: "A" as const, ttl: 60, data: "127.0.0.1" }];
    responder.on("query", (_query, from) => responder.respond({ answers }, from));
    await once(responder, "ready");
    const localLink = createLocalLink(() => [multicastDns({ ...group, bind: false, multicast: true })]);
    const names = new Names({ hostsFile: "/dev/null", resolvConf: "/dev/null", localLink });
    const { port } = await greeter("local");
    expect(await exchange(await gatewayTo(async () => [{ host: "cache.local", port }], names), "1")).toBe("local 1");
  });

  test("keeps what the other side does not read with who sends it, and hands on all of it in the end", async () => {
    const behind = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, "127.0.0.1");
    await once(behind, "listening");
    closing.push(async () => void behind.close());
    const { port } = behind.address() as net.AddressInfo;
    const gateway = await gatewayTo(async () => [{ host: "127.0.0.1", port }]);
    const [chunk, chunks] = [noise("gateway", 1024 * 1024), 256];
    let sent = 0;
    async function* pieces() {
      for (; sent < chunks; sent += 1) yield chunk;
    }
    const client = net.connect({ port: gateway.port, host: "127.0.0.1", allowHalfOpen: true });
    Readable.from(pieces()).pipe(client);
    const [server] = (await once(behind, "connection")) as [net.Socket];
    let before = -1;
    const isStill = () => {
      const was = before;
      before = sent;
      return was === sent;
    };
    await expect.poll(isStill, { interval: 300 }).toBe(true);
    expect(sent).toBeLessThan(chunks / 2);
    let received = 0;
    server.resume().on("data", (part: Buffer) => {
      received += part.length;
    });
    await once(server, "end");
    expect(received).toBe(chunks * chunk.length);
    server.end("thanks");
    expect(await text(client)).toBe("thanks");
  });

  test("with nobody behind it resets the connection, so that a client falls back at once", async () => {
    const { port } = await gatewayTo(async () => [{ host: "127.0.0.1", port: await unusedPort() }]);
    const socket = net.connect({ port, host: "127.0.0.1" });
    socket.write("GET / HTTP/1.1\r\n\r\n");
    const [error] = await once(socket, "error");
    expect(error).toMatchObject({ code: "ECONNRESET" });
  });

  test("breaks off towards the client when the proxy breaks off", async () => {
    const server = net.createServer((socket) => {
      socket.write("begun");
      socket.once("data", () => socket.resetAndDestroy());
    });
    const place = { host: "127.0.0.1", port: await listenOnLoopback(server) };
    closing.push(async () => void server.close());
    const { port } = await gatewayTo(async () => [place]);
    const socket = net.connect({ port, host: "127.0.0.1" });
    await once(socket, "data");
    const broken = once(socket, "error");
    socket.write("more");
    expect((await broken)[0]).toMatchObject({ code: "ECONNRESET" });
  });

  test("an address that is taken is told with its cure", async () => {
    const taken = await greeter("taken");
    await expect(openGateway(taken, () => Promise.reject(new Error()), silentLog)).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      message: expect.stringContaining("port 0 picks a free one"),
    });
  });
});

describe("the file of places", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "larder-override-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test("moves the next connection", async () => {
    const file = join(folder, "places");
    const [one, two] = [await greeter("one"), await greeter("two")];
    const gateway = await gatewayTo(() => readOverride(file));
    await writeFile(file, `127.0.0.1:${one.port}\n`);
    expect(await exchange(gateway, "")).toBe("one ");
    await writeFile(file, `# moved\nhttp://127.0.0.1:${two.port}/ignored\n`);
    expect(await exchange(gateway, "")).toBe("two ");
  });

  test.each([
    ["cache", [{ host: "cache", port: 3142 }]],
    [
      "cache:80, [::1]:81 # both",
      [
        { host: "cache", port: 80 },
        { host: "::1", port: 81 },
      ],
    ],
    ["\uFEFFcache:80\r\n# a remark\r\n\r\n", [{ host: "cache", port: 80 }]],
    ["http://cache.example:8080/nix/", [{ host: "cache.example", port: 8080 }]],
    ["", []],
  ])("%j names its places", async (content, places) => {
    const file = join(folder, "places");
    await writeFile(file, content);
    expect(await readOverride(file)).toEqual(places);
  });

  test("is empty when it is not there, and told of when it makes no sense", async () => {
    expect(await readOverride(join(folder, "none"))).toEqual([]);
    await writeFile(join(folder, "bad"), "user@cache");
    await expect(readOverride(join(folder, "bad"))).rejects.toMatchObject({ code: "CONFIG_BAD_VALUE" });
  });
});
