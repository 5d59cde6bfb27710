import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../core/clock.ts";
import type { Declaration } from "../../core/declaration.ts";
import { PUBLIC_REALM } from "../../core/entry.ts";
import { silentLog } from "../../core/log.ts";
import { parseTarget } from "../../core/target.ts";
import { AddressRules } from "../../policy/access.ts";
import { fieldsToOrigin } from "../../policy/forwarding.ts";
import { createDialer } from "../../proxy/dial.ts";
import type { FillReader } from "../../proxy/fill-reader.ts";
import { Fills } from "../../proxy/fills.ts";
import { createOrigin, type Origin as OriginSide } from "../../proxy/origin.ts";
import { connectToOrigins, connectToParents, createTlsClient } from "../../proxy/origin-connect.ts";
import type { ProxySettings } from "../../proxy/settings.ts";
import { openStore } from "../../storage/open-store.ts";
import type { Store } from "../../storage/store.ts";
import { Origin } from "../support/origin.ts";

const TAIL = 64 * 1024;
const settings: ProxySettings = {
  allowClients: [],
  allowDestinations: ["127.0.0.0/8"],
  isLoopbackOnly: true,
  intercept: [],
  tunnel: [],
  serverNames: [],
  connectTimeoutMs: 5_000,
  headersTimeoutMs: 5_000,
  bodyTimeoutMs: 5_000,
  tunnelIdleMs: 5_000,
  rootFreshForMs: 0,
  fillsPerOrigin: 4,
  verifyRanges: "wait",
  rangeWaitBytes: 16 * 1024 * 1024,
  parentProxies: { http: undefined, https: undefined, noProxy: "" },
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
  const findParent = () => undefined;
  const secure = createTlsClient(settings);
  wayOut = createOrigin(
    {
      connect: connectToOrigins({ dialer, secure, settings, findParent }),
      connectToParents: connectToParents(secure, settings),
      findParent,
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

function lead(path: string, declared?: Declaration) {
  const target = parseTarget(`${origin.url}${path}`);
  const request = { method: "GET", target, fields: [], record: {}, realm: PUBLIC_REALM, sharedRealm: PUBLIC_REALM };
  const key = `GET ${target.uri}`;
  return fills.lead(key, {
    request,
    key,
    context: { class: "payload", coding: "identity", rootFreshForMs: 0 },
    entry: undefined,
    declared,
    sources: [
      {
        target,
        fieldsToOrigin: () => fieldsToOrigin(request, { pseudonym: "larder-test", coding: "identity", whole: true }),
      },
    ],
  });
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
