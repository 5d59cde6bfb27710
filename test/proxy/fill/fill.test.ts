import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import type { Declaration } from "../../../core/declaration.ts";
import { digestOf } from "../../../core/digest.ts";
import { PUBLIC_REALM } from "../../../core/entry.ts";
import { silentLog } from "../../../core/log.ts";
import { parseTarget } from "../../../core/target.ts";
import { AddressRules } from "../../../policy/access/address-rules.ts";
import { fieldsToOrigin } from "../../../policy/forwarding.ts";
import type { FillOrder } from "../../../proxy/fill/fill-order.ts";
import type { FillReader } from "../../../proxy/fill/fill-reader.ts";
import { Fills } from "../../../proxy/fill/fills.ts";
import { connectToOrigins, connectToParents, createTlsClient } from "../../../proxy/origin/connect.ts";
import { createDialer } from "../../../proxy/origin/dial.ts";
import { createOrigin, type Origin as OriginSide } from "../../../proxy/origin/origin.ts";
import { ParentTable } from "../../../proxy/origin/parents.ts";
import type { ProxySettings } from "../../../proxy/settings.ts";
import { openStore } from "../../../storage/open-store.ts";
import type { Store } from "../../../storage/store.ts";
import { spoiled } from "../../support/faults.ts";
import { bytesHandler } from "../../support/files.ts";
import { type Handler, Origin } from "../../support/origin.ts";

const TAIL = 64 * 1024;
const settings: ProxySettings = {
  allowClients: [],
  trustedProxies: [],
  allowDestinations: ["127.0.0.0/8"],
  isLoopbackOnly: true,
  intercept: [],
  tunnel: [],
  serverNames: [],
  connectTimeoutMs: 5_000,
  headersTimeoutMs: 5_000,
  bodyTimeoutMs: 5_000,
  patience: { headMs: 5_000, idleMs: 5_000, stalledMs: 5_000 },
  tunnelIdleMs: 5_000,
  tunnelUntrustingMs: 0,
  rootFreshForMs: 0,
  targetedFields: [],
  nixPublicKeys: [],
  nixUpstreams: [],
  minReleaseAgeMs: 0,
  minReleaseAgeAllow: [],
  fillsPerOrigin: 4,
  verifyRanges: "wait",
  rangeWaitBytes: 16 * 1024 * 1024,
  parentProxies: { http: undefined, https: undefined, noProxy: "", rules: [] },
  originRoots: "",
  originAccess: [],
  pseudonym: "larder-test",
};

let root: string;
let store: Store;
let origin: Origin;
let wayOut: OriginSide;
let fills: Fills;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "larder-fill-"));
  store = await openStore({ rootDir: root, maxBytes: 1024 ** 3, clock: systemClock, log: silentLog });
  origin = await Origin.start();
  const addresses = new AddressRules({ ...settings, ownAddresses: [] });
  const dialer = createDialer({ addresses, isOwnListener: () => false });
  const parents = new ParentTable(settings.parentProxies, { clock: systemClock, isSelf: () => false });
  const secure = createTlsClient(settings);
  wayOut = createOrigin(
    {
      connect: connectToOrigins({ dialer, secure, settings, parents }),
      connectToParents: connectToParents(secure, settings),
      parents,
    },
    settings,
  );
  fills = new Fills({ store, origin: wayOut, clock: systemClock, log: silentLog }, settings.fillsPerOrigin);
});

afterEach(async () => {
  fills.cancelAll();
  await fills.idle();
  await wayOut.close();
  await origin.stop();
  await store.close();
  expect(await readdir(join(root, "staging"))).toEqual([]);
  await rm(root, { recursive: true });
});

const declare = (body: Buffer, over: Partial<Declaration> = {}): Declaration => ({
  algorithm: "sha256",
  digest: createHash("sha256").update(body).digest("hex"),
  bytes: body.length,
  ...over,
});

function lead(path: string, declared?: Declaration, { elsewhere = [], ...more }: LeadOptions = {}) {
  const target = parseTarget(`${origin.url}${path}`);
  const request = { method: "GET", target, fields: [], record: {}, realm: PUBLIC_REALM, sharedRealm: PUBLIC_REALM };
  const key = `GET ${target.uri}`;
  const fields = { pseudonym: "larder-test", coding: "identity", whole: true } as const;
  const places = [target, ...elsewhere.map((other) => parseTarget(`${origin.url}${other}`))];
  return fills.lead(key, {
    request,
    key,
    context: { class: "payload", coding: "identity", rootFreshForMs: 0 },
    entry: undefined,
    declared,
    sources: places.map((place) => ({
      target: place,
      fieldsToOrigin: () => fieldsToOrigin({ ...request, target: place }, fields),
    })),
    ...more,
  });
}

interface LeadOptions extends Partial<FillOrder> {
  /** Paths at the same origin that have the same bytes. */
  readonly elsewhere?: readonly string[];
}

async function readAll(reader: FillReader): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let chunk = await reader.next(); chunk !== undefined; chunk = await reader.next()) chunks.push(chunk);
  reader.close();
  return Buffer.concat(chunks);
}

/** Reads until the fill fails; @returns what came out before. */
async function readUntilFault(reader: FillReader): Promise<{ bytes: number; code: unknown }> {
  try {
    for (;;) await reader.next();
  } catch (error) {
    return { bytes: reader.position, code: (error as { code?: unknown }).code };
  } finally {
    reader.close();
  }
}

const entriesOf = (path: string) => store.find(`GET ${origin.url}${path}`);

describe("a fill", () => {
  test("brings the bytes to every reader and into the store, with one request", async () => {
    const body = randomBytes(3_000_000);
    origin.serve(
      "/a.rpm",
      (_request, response) => void response.writeHead(200, { "Content-Length": body.length }).end(body),
    );
    const fill = lead("/a.rpm");
    const readers = Array.from({ length: 5 }, () => fill.openReader());
    expect((await Promise.all(readers.map(readAll))).every((read) => read.equals(body))).toBe(true);
    await fills.idle();
    expect(entriesOf("/a.rpm")).toMatchObject([{ digest: declare(body).digest, bytes: body.length }]);
    expect(origin.takeRequests()).toHaveLength(1);
  });

  test("holds the tail of a declared body until its digest is verified", async () => {
    const body = randomBytes(300_000);
    let rest: ServerResponse | undefined;
    origin.serve("/a.rpm", (_request, response) => {
      response.writeHead(200, { "Content-Length": body.length }).write(body.subarray(0, -1));
      rest = response;
    });
    const fill = lead("/a.rpm", declare(body));
    const reader = fill.openReader();
    while (reader.position < body.length - TAIL) await reader.next();
    while (fill.originBytes < body.length - 1) await new Promise(setImmediate);
    expect(reader.position).toBe(body.length - TAIL);
    rest?.end(body.subarray(-1));
    expect((await readAll(reader)).length).toBe(TAIL);
  });

  test("lets nothing of a small declared body out before it is verified", async () => {
    const body = randomBytes(1_000);
    origin.serve("/a.rpm", (_request, response) => void response.writeHead(200).end(randomBytes(1_000)));
    const fill = lead("/a.rpm", declare(body));
    expect(await readUntilFault(fill.openReader())).toEqual({ bytes: 0, code: "DIGEST_MISMATCH" });
  });

  test.each([
    ["with its length announced", true],
    ["without an announced length", false],
  ])("never completes a body that is not what was declared, and never stores it: %s", async (_how, isAnnounced) => {
    const body = randomBytes(300_000);
    const poisoned = Buffer.from(body);
    poisoned[7] = (poisoned[7] ?? 0) ^ 1;
    origin.serve("/a.rpm", (_request, response) => {
      response.writeHead(200, isAnnounced ? { "Content-Length": body.length } : {}).end(poisoned);
    });
    const fill = lead("/a.rpm", declare(body));
    const { bytes, code } = await readUntilFault(fill.openReader());
    expect(code).toBe("DIGEST_MISMATCH");
    expect(bytes).toBeLessThanOrEqual(body.length - TAIL);
    await fills.idle();
    expect(entriesOf("/a.rpm")).toEqual([]);
  });

  test("checks a sha512 declaration too", async () => {
    const body = randomBytes(100_000);
    const digest = createHash("sha512").update(body).digest("hex");
    origin.serve("/good.deb", (_request, response) => void response.writeHead(200).end(body));
    origin.serve("/bad.deb", (_request, response) => void response.writeHead(200).end(randomBytes(100_000)));
    const declared = declare(body, { algorithm: "sha512", digest });
    expect((await readAll(lead("/good.deb", declared).openReader())).equals(body)).toBe(true);
    expect(await readUntilFault(lead("/bad.deb", declared).openReader())).toMatchObject({ code: "DIGEST_MISMATCH" });
  });

  test("refuses a length that differs from the declared one before the first byte", async () => {
    origin.serve(
      "/a.rpm",
      (_request, response) => void response.writeHead(200, { "Content-Length": 12 }).end("twelve bytes"),
    );
    const fill = lead("/a.rpm", declare(Buffer.from("thirteen bytes")));
    await expect(fill.head).rejects.toMatchObject({ code: "SIZE_MISMATCH" });
  });

  test("stops reading an endless body once it is longer than declared", async () => {
    const body = randomBytes(200_000);
    const gone = new Promise<void>((resolve) => {
      origin.serve("/a.rpm", (_request, response) => {
        const writeMore = (error?: Error | null): void => {
          if (!error) response.write(body, writeMore);
        };
        response.once("close", resolve);
        writeMore();
      });
    });
    const fill = lead("/a.rpm", declare(body));
    expect(await readUntilFault(fill.openReader())).toMatchObject({ code: "SIZE_MISMATCH" });
    await gone;
  });

  test("goes on when its first reader leaves, and when a reader does not read", async () => {
    const body = randomBytes(5_000_000);
    origin.serve(
      "/a.rpm",
      (_request, response) => void response.writeHead(200, { "Content-Length": body.length }).end(body),
    );
    const fill = lead("/a.rpm");
    const leaving = fill.openReader();
    const idle = fill.openReader();
    await leaving.next();
    leaving.close();
    await fills.idle();
    expect(entriesOf("/a.rpm")).toHaveLength(1);
    expect((await readAll(idle)).equals(body)).toBe(true);
  });

  test("ends in ORIGIN_CUT when the origin is cut and nothing tells what the rest would be", async () => {
    const body = randomBytes(300_000);
    origin.serve("/a.rpm", (_request, response) => {
      response.writeHead(200, { "Content-Length": body.length });
      response.write(body.subarray(0, 200_000), () => response.destroy());
    });
    const { code } = await readUntilFault(lead("/a.rpm").openReader());
    expect(code).toBe("ORIGIN_CUT");
    await fills.idle();
    expect(entriesOf("/a.rpm")).toEqual([]);
    expect(origin.takeRequests()).toHaveLength(1);
  });

  test.each([
    ["a strong validator", { ETag: '"v1"' }, false],
    ["a declared digest", {}, true],
  ])("continues a cut answer by %s: only the missing bytes are asked for", async (_why, validator, isDeclared) => {
    const body = randomBytes(300_000);
    origin.serve("/a.rpm", (request, response) => {
      const first = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const headers = { ...validator, "Content-Length": body.length - first };
      if (first > 0) {
        const range = { "Content-Range": `bytes ${first}-${body.length - 1}/${body.length}` };
        response.writeHead(206, { ...headers, ...range }).end(body.subarray(first));
        return;
      }
      response.writeHead(200, headers);
      response.write(body.subarray(0, 200_000), () => response.destroy());
    });
    const fill = lead("/a.rpm", isDeclared ? declare(body) : undefined);
    expect((await readAll(fill.openReader())).equals(body)).toBe(true);
    const [, second] = origin.takeRequests();
    expect(Number(/\d+/.exec(second?.headers.range ?? "")?.[0])).toBeGreaterThan(0);
  });

  test("does not splice the rest of another version onto a cut answer", async () => {
    let version = 0;
    origin.serve("/a.rpm", (request, response) => {
      version += 1;
      const body = randomBytes(300_000);
      const first = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      if (first > 0) {
        const range = `bytes ${first}-${body.length - 1}/${body.length}`;
        response.writeHead(206, { ETag: `"v${version}"`, "Content-Range": range }).end(body.subarray(first));
        return;
      }
      response.writeHead(200, { ETag: `"v${version}"`, "Content-Length": body.length });
      response.write(body.subarray(0, 200_000), () => response.destroy());
    });
    expect(await readUntilFault(lead("/a.rpm").openReader())).toMatchObject({ code: "ORIGIN_CUT" });
  });
});

/** Sends the first part of the body and cuts the connection; a range it answers as a file server does. */
function cutting(body: Buffer, at: number): Handler {
  const serveRange = bytesHandler(body, { ETag: '"of this place"' });
  return (request, response) => {
    if (request.headers.range !== undefined) return serveRange(request, response);
    response.writeHead(200, { "Content-Length": body.length });
    response.write(body.subarray(0, at), () => response.destroy());
  };
}

describe("a cut body that others have, too", () => {
  const body = randomBytes(300_000);
  const wrong = spoiled(body);
  const mismatches: string[] = [];
  const onFault: FillOrder["onFault"] = ({ target }, { code }) => {
    if (code === "DIGEST_MISMATCH") mismatches.push(target.path);
  };
  beforeEach(() => void mismatches.splice(0));

  test("is continued there, without the validator of the first", async () => {
    origin.serve("/a.rpm", cutting(body, 200_000));
    origin.serve("/b.rpm", bytesHandler(body));
    const fill = lead("/a.rpm", declare(body), { elsewhere: ["/b.rpm"] });
    expect((await readAll(fill.openReader())).equals(body)).toBe(true);
    const [, second] = origin.takeRequests();
    expect(second).toMatchObject({ path: "/b.rpm", status: 206 });
    expect(second?.headers["if-range"]).toBeUndefined();
  });

  test("is fetched whole from one place before anyone is blamed for wrong pieces: nothing had gone out", async () => {
    const small = randomBytes(50_000);
    let cuts = 0;
    origin.serve("/a.rpm", (request, response) => {
      cuts += 1;
      return (cuts === 1 ? cutting(small, 20_000) : bytesHandler(small))(request, response);
    });
    origin.serve("/b.rpm", bytesHandler(spoiled(small)));
    const fill = lead("/a.rpm", declare(small), { elsewhere: ["/b.rpm"], onFault });
    expect((await readAll(fill.openReader())).equals(small)).toBe(true);
    expect(mismatches).toEqual([]);
    expect(origin.takeRequests().map(({ path, status }) => [path, status])).toEqual([
      ["/a.rpm", 200],
      ["/b.rpm", 206],
      ["/a.rpm", 200],
    ]);
  });

  test("ends in a mismatch that blames nobody when some had gone out", async () => {
    origin.serve("/a.rpm", cutting(body, 280_000));
    origin.serve("/b.rpm", bytesHandler(wrong));
    let splices = 0;
    const onSpliced = () => {
      splices += 1;
    };
    const fill = lead("/a.rpm", declare(body), { elsewhere: ["/b.rpm"], onFault, onSpliced });
    expect(await readUntilFault(fill.openReader())).toMatchObject({ code: "DIGEST_MISMATCH" });
    await fills.idle();
    expect({ splices, mismatches }).toEqual({ splices: 1, mismatches: [] });
  });

  test("fetched whole, it comes from the first place that brings all of it, and who lies is blamed", async () => {
    origin.serve("/a.rpm", cutting(body, 280_000));
    origin.serve("/b.rpm", bytesHandler(wrong));
    origin.serve("/c.rpm", bytesHandler(body));
    const fill = lead("/a.rpm", declare(body), { elsewhere: ["/b.rpm", "/c.rpm"], onFault, isWhole: true });
    expect((await readAll(fill.openReader())).equals(body)).toBe(true);
    expect(mismatches).toEqual(["/b.rpm"]);
  });
});

describe("a declared body in a coding that nobody asked for", () => {
  const body = Buffer.from("of the same again and again\n".repeat(10_000));
  test.each([
    ["gzip", gzipSync],
    ["x-gzip", gzipSync],
    ["br", brotliCompressSync],
    ["deflate", deflateSync],
  ])("%s is undone where that makes it what is declared", async (coding, encode) => {
    const coded = encode(body);
    const fields = { "Content-Encoding": coding, "Content-Length": coded.length, ETag: '"coded"' };
    origin.serve("/a.rpm", (_request, response) => void response.writeHead(200, fields).end(coded));
    const fill = lead("/a.rpm", declare(body));
    expect((await readAll(fill.openReader())).equals(body)).toBe(true);
    await fills.idle();
    const [entry] = entriesOf("/a.rpm");
    expect(entry).toMatchObject({ digest: declare(body).digest, bytes: body.length });
    expect(entry?.fields.map((field) => field.toLowerCase())).not.toContain("content-encoding");
    expect(entry?.fields).not.toContain('"coded"');
  });

  test("is taken as it was sent where that is what is declared", async () => {
    const coded = gzipSync(body);
    const fields = { "Content-Encoding": "x-gzip" };
    origin.serve("/a.tar.gz", (_request, response) => void response.writeHead(200, fields).end(coded));
    expect((await readAll(lead("/a.tar.gz", declare(coded)).openReader())).equals(coded)).toBe(true);
  });

  test.each([
    ["corrupt", () => Buffer.concat([gzipSync(body).subarray(0, 100), randomBytes(100)])],
    ["of other bytes", () => gzipSync(spoiled(body))],
    ["far longer than declared", () => gzipSync(Buffer.alloc(50_000_000))],
  ])("is a mismatch when it is %s", async (_what, make) => {
    const coded = make();
    origin.serve("/a.rpm", (_request, response) => {
      response.writeHead(200, { "Content-Encoding": "gzip", "Content-Length": coded.length }).end(coded);
    });
    const { bytes, code } = await readUntilFault(lead("/a.rpm", declare(body)).openReader());
    expect(bytes).toBe(0);
    expect(String(code)).toMatch(/_MISMATCH$/);
    await fills.idle();
    expect(entriesOf("/a.rpm")).toEqual([]);
  });
});

describe("a declared body that is nowhere", () => {
  test("is answered as the place does that was asked for itself, whatever its mirrors say", async () => {
    const body = randomBytes(1_000);
    origin.serve("/a.rpm", (_request, response) => void response.writeHead(410).end("gone"));
    origin.serve("/b.rpm", (_request, response) => void response.writeHead(403).end("never seen"));
    const fill = lead("/a.rpm", declare(body), { elsewhere: ["/b.rpm"] });
    expect(await fill.head).toMatchObject({ kind: "pass" });
    const response = fill.takeResponse();
    expect(response?.head.status).toBe(410);
    expect(await response?.body.toArray()).toEqual([Buffer.from("gone")]);
  });
});

describe("what the store holds for others", () => {
  const body = randomBytes(100_000);
  const held = (bytes: number) => ({
    key: "GET http://origin.example/a.rpm",
    variant: "",
    realm: "mine",
    status: 200,
    fields: [],
    selecting: [],
    digest: digestOf(body),
    bytes,
    requestMs: 0,
    responseMs: 0,
    storedMs: 0,
  });

  test.each([
    ["a byte of it", bytesHandler(body)],
    [
      "all of it",
      (_: unknown, response: ServerResponse) => {
        response.writeHead(200, { "Content-Length": body.length }).end(body);
      },
    ],
  ] satisfies [string, Handler][])(
    "need not come again when the origin gives the requester %s",
    async (_what, handler) => {
      origin.serve("/a.rpm", handler);
      const fill = lead("/a.rpm", declare(body), { held: held(body.length) });
      expect(await fill.head).toMatchObject({ kind: "freshened", entry: { realm: "mine" } });
      await fills.idle();
      expect(origin.takeRequests()).toMatchObject([{ headers: { range: "bytes=0-0" } }]);
    },
  );

  test("comes again when the origin has something of another length", async () => {
    origin.serve("/a.rpm", bytesHandler(body));
    const fill = lead("/a.rpm", declare(body), { held: held(body.length + 1) });
    expect((await readAll(fill.openReader())).equals(body)).toBe(true);
    expect(origin.takeRequests()).toMatchObject([{ status: 206 }, { status: 200 }]);
  });

  test("is not given to a requester to whom the origin gives nothing", async () => {
    origin.serve("/a.rpm", (_request, response) => void response.writeHead(403).end("no"));
    const fill = lead("/a.rpm", declare(body), { held: held(body.length) });
    expect(await fill.head).toMatchObject({ kind: "pass" });
    expect(fill.takeResponse()?.head.status).toBe(403);
  });
});
