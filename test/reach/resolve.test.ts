import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import multicastDns from "multicast-dns";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { HostPort } from "../../core/target.ts";
import { createLocalLink } from "../../reach/local-link/questions.ts";
import { Names } from "../../reach/names.ts";
import { probe } from "../../reach/probe.ts";
import { type Method, type Resolution, resolveCache, type Source } from "../../reach/resolve.ts";
import { SERVICE_TYPE, sourcesOf } from "../../reach/sources.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function serve(pages: Readonly<Record<string, string>>, headers = {}, host = "127.0.0.1"): Promise<HostPort> {
  const server = http.createServer((request, response) => {
    const page = pages[request.url ?? ""];
    response.writeHead(page === undefined ? 404 : 200, headers).end(page);
  });
  return listening(server, host);
}

async function listening(server: net.Server, host = "127.0.0.1"): Promise<HostPort> {
  const open = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => open.add(socket));
  server.listen(0, host);
  await once(server, "listening");
  closing.push(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { host, port: (server.address() as net.AddressInfo).port };
}

const larder = (pages = {}) => serve({ "/healthz": "ok\n", ...pages }, { Server: "larder" });
const NIX_INFO = "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n";
/** Accepts, and never says a word. */
const blackHole = () => listening(net.createServer({ allowHalfOpen: true }, () => undefined));

const source = (method: Method, ...places: readonly HostPort[]): Source => ({
  method,
  isTrusted: true,
  find: async () => places,
});

function resolve(sources: readonly Source[], deadlineMs = 2_000): Promise<Resolution> {
  return resolveCache(sources, { deadlineMs, probe, now: () => performance.now() });
}

describe("what answers at an address", () => {
  const never = new AbortController().signal;

  test("is larder when it says so, with or without a binary cache of Nix", async () => {
    expect(await probe(await larder(), never)).toEqual({ isLarder: true, nixPath: undefined });
    expect(await probe(await larder({ "/nix/nix-cache-info": NIX_INFO }), never)).toEqual({
      isLarder: true,
      nixPath: "/nix/",
    });
  });

  test("is another cache of Nix when its store is the usual one", async () => {
    expect(await probe(await serve({ "/nix-cache-info": NIX_INFO }), never)).toEqual({ isLarder: false, nixPath: "/" });
    await expect(probe(await serve({ "/nix-cache-info": "StoreDir: /elsewhere\n" }), never)).rejects.toThrow(
      "is no cache",
    );
  });

  test("is no cache when it is just an open port, or a health page of something else", async () => {
    await expect(probe(await serve({ "/healthz": "ok\n" }), never)).rejects.toThrow("answers, but is no cache");
    const talkative = await listening(net.createServer((socket) => void socket.end("220 mail\r\n")));
    await expect(probe(talkative, never)).rejects.toThrow();
  });
});

describe("the search", () => {
  test("believes the better method although the worse one answers first", async () => {
    const [better, worse] = [await larder(), await larder()];
    const { found } = await resolve([
      { method: "override", isTrusted: true, find: () => new Promise((done) => setTimeout(done, 50, [better])) },
      source("dns", worse),
    ]);
    expect(found).toMatchObject({ method: "override", place: better, isLarder: true });
  });

  test("does not wait for a better method that hangs once another has answered", async () => {
    const place = await larder();
    const { found, attempts } = await resolve([source("override", await blackHole()), source("dns", place)], 30_000);
    expect(found).toMatchObject({ method: "dns", place });
    expect(attempts).toContainEqual(
      expect.objectContaining({ method: "override", verdict: "was not waited for any longer" }),
    );
  });

  test("takes whichever address of a place answers", async () => {
    const place = await larder();
    const refused = { host: "127.0.0.1", port: 1 };
    const { found, attempts } = await resolve([source("dns", refused, place)]);
    expect(found?.place).toEqual(place);
    expect(attempts.map(({ verdict }) => verdict)).toContainEqual(expect.stringContaining("ECONNREFUSED"));
  });

  test("ends at its deadline with nothing, whatever hangs", async () => {
    const hanging: Source = { method: "mdns", isTrusted: false, find: () => new Promise(() => undefined) };
    const { found, attempts } = await resolve([source("dns", await blackHole()), hanging], 200);
    expect(found).toBeUndefined();
    expect(attempts.map(({ method }) => method).sort()).toEqual(["dns", "mdns"]);
  });

  test("ends at once when every method has failed", async () => {
    const { found, attempts } = await resolve([source("dns"), source("mdns")], 30_000);
    expect(found).toBeUndefined();
    expect(attempts).toHaveLength(2);
  });
});

describe("the sources", () => {
  const GROUP = { interface: "127.0.0.1", port: 0 };
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "larder-sources-"));
    // A free port for the group, so that a responder of this machine is not asked.
    const { createSocket } = await import("node:dgram");
    const probeSocket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(probeSocket, "listening");
    GROUP.port = probeSocket.address().port;
    probeSocket.close();
    await writeFile(join(folder, "hosts"), "127.0.0.7  cache.internal  # by hand\n::1 cache.internal\n");
    await writeFile(join(folder, "resolv.conf"), "nameserver 127.0.0.1\n");
    const routes6 = [
      `${"0".repeat(32)} 00 ${"0".repeat(32)} 00 20010db8000000000000000000000001 00000400 0 0 0 eth0`,
      `${"0".repeat(32)} 00 ${"0".repeat(32)} 00 fe800000000000000000000000000001 00000400 0 0 0 eth1`,
      `${"0".repeat(32)} 00 ${"0".repeat(32)} 00 ${"0".repeat(32)} ffffffff 0 0 0 lo`,
    ];
    await writeFile(join(folder, "route6"), routes6.join("\n"));
    await writeFile(join(folder, "route"), "Iface Destination Gateway\neth0\t00000000\t0102A8C0\t0003\n");
  });
  afterAll(() => rm(folder, { recursive: true }));

  function find(method: Method, options: Partial<Parameters<typeof sourcesOf>[0]> = {}) {
    const localLink = createLocalLink(() => [multicastDns({ ...GROUP, bind: false, multicast: true })]);
    const names = new Names({ hostsFile: join(folder, "hosts"), resolvConf: join(folder, "resolv.conf"), localLink });
    const sources = sourcesOf({
      name: "larder",
      overrideFile: join(folder, "override"),
      environment: undefined,
      routeFiles: [join(folder, "route"), join(folder, "route6")],
      lastKnown: undefined,
      names,
      localLink,
      ...options,
    });
    const wanted = sources.find((one) => one.method === method);
    if (wanted === undefined) throw new Error(`no such method: ${method}`);
    return { isTrusted: wanted.isTrusted, places: wanted.find(AbortSignal.timeout(5_000)) };
  }

  test("an override file may hold a name, an address or a URL", async () => {
    await writeFile(join(folder, "override"), "http://cache.internal:8080/\n10.1.2.3\n");
    expect(await find("override").places).toEqual([
      { host: "127.0.0.7", port: 8080 },
      { host: "::1", port: 8080 },
      { host: "10.1.2.3", port: 3142 },
    ]);
  });

  test("the variable names a place, and nothing when it is not set", async () => {
    expect(await find("environment", { environment: "cache.internal:80" }).places).toContainEqual({
      host: "127.0.0.7",
      port: 80,
    });
    expect(await find("environment").places).toEqual([]);
  });

  test("the neighbours are the default gateway and the host of a QEMU guest", async () => {
    expect(await find("neighbour").places).toEqual([
      { host: "192.168.2.1", port: 3142 },
      { host: "2001:0db8:0000:0000:0000:0000:0000:0001", port: 3142 },
      { host: "10.0.2.2", port: 3142 },
    ]);
  });

  test("what was found the last time is trusted as it was then", async () => {
    const place = { host: "10.9.8.7", port: 3142 };
    const { isTrusted, places } = find("last-known", { lastKnown: { place, isTrusted: false } });
    expect([isTrusted, await places]).toEqual([false, [place]]);
  });

  describe("on the local link", () => {
    const respond = (answers: Parameters<ReturnType<typeof multicastDns>["respond"]>[0]) => {
      const responder = multicastDns({ ...GROUP, bind: "0.0.0.0" });
      closing.push(() => responder.destroy());
      responder.on("query", (_query, from) => responder.respond(answers, from));
      return once(responder, "ready");
    };

    test("a .local name is asked for there, and is not trusted", async () => {
      await respond({ answers: [{ name: "larder.local", type: "A", ttl: 60, data: "192.0.2.7" }] });
      const { isTrusted, places } = find("mdns");
      expect(await places).toEqual([{ host: "192.0.2.7", port: 3142 }]);
      expect(isTrusted).toBe(false);
    });

    test("a service is found with its port", async () => {
      await respond({
        answers: [{ name: SERVICE_TYPE, type: "PTR", data: `here.${SERVICE_TYPE}` }],
        additionals: [
          { name: `here.${SERVICE_TYPE}`, type: "SRV", data: { target: "here.local", port: 4242 } },
          { name: "here.local", type: "A", ttl: 60, data: "192.0.2.8" },
        ],
      });
      expect(await find("dns-sd").places).toEqual([{ host: "192.0.2.8", port: 4242 }]);
    });
  });
});
