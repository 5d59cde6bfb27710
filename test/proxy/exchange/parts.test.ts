import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect } from "vitest";
import { get } from "../../support/client.ts";
import { noise } from "../../support/noise.ts";
import type { Origin } from "../../support/origin.ts";
import { test } from "../workbench.ts";

const BODY = noise("parts", 300_000);
const text = (first: number, last: number) => BODY.toString("latin1", first, last + 1);

interface Site {
  etag: string;
  body: Buffer;
  /** Answers are cut after this many bytes. */
  cutAfter: number;
}

/** An origin that knows ranges and If-Range, and may be cut in the middle of an answer. */
function serveWithRanges(origin: Origin, path = "/file"): Site {
  const site: Site = { etag: '"1"', body: BODY, cutAfter: Number.POSITIVE_INFINITY };
  origin.serve(path, (request: IncomingMessage, response: ServerResponse) => {
    const { etag, body, cutAfter } = site;
    const fields = { ETag: etag, "Cache-Control": "max-age=1000" };
    const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const isPart = match !== null && (request.headers["if-range"] ?? etag) === etag;
    const first = isPart ? Number(match[1]) : 0;
    const last = isPart && match[2] !== "" ? Number(match[2]) : body.length - 1;
    const content = body.subarray(first, last + 1);
    const range = isPart ? { "Content-Range": `bytes ${first}-${last}/${body.length}` } : {};
    response.writeHead(isPart ? 206 : 200, { ...fields, ...range, "Content-Length": content.length });
    if (content.length <= cutAfter) response.end(content);
    else response.write(content.subarray(0, cutAfter), () => response.destroy());
  });
  return site;
}

const asked = (origin: Origin) =>
  origin.takeRequests().map(({ headers }) => ({ range: headers.range, ifRange: headers["if-range"] }));

describe("a part that was asked for (RFC 9111 §3.3)", () => {
  test("is stored, and answers for itself and for what lies within it", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    serveWithRanges(origin);
    const url = `${origin.url}/file`;
    const first = await get(larder, url, { Range: "bytes=1000-99999" });
    expect([first.status, first.headers["content-range"]]).toEqual([206, "bytes 1000-99999/300000"]);
    expect(first.headers["cache-status"]).toMatch(/fwd=partial; fwd-status=206; stored/);
    await expect
      .poll(async () => (await get(larder, url, { Range: "bytes=1000-99999" })).headers["cache-status"])
      .toMatch(/hit/);
    origin.takeRequests();
    const within = await get(larder, url, { Range: "bytes=2000-2009", "If-Range": '"1"' });
    expect([within.status, within.headers["content-range"]]).toEqual([206, "bytes 2000-2009/300000"]);
    expect(within.headers["content-length"]).toBe("10");
    expect(within.body.toString("latin1")).toBe(text(2000, 2009));
    expect((await get(larder, url, { Range: "bytes=2000-2009", "If-None-Match": '"1"' })).status).toBe(304);
    expect(origin.takeRequests()).toEqual([]);
  });

  test.for([
    ["reaches beyond it", { Range: "bytes=99999-100000" }, 206],
    ["wants another representation", { Range: "bytes=2000-2009", "If-Range": '"2"' }, 200],
    ["wants all", {}, 200],
  ] as const)("does not answer for what %s", async ([, fields, status], { origin, startLarder }) => {
    const larder = await startLarder();
    serveWithRanges(origin);
    const url = `${origin.url}/file`;
    await get(larder, url, { Range: "bytes=1000-99999" });
    origin.takeRequests();
    expect((await get(larder, url, fields)).status).toBe(status);
    expect(origin.takeRequests()).toHaveLength(1);
  });
});

describe("stored parts from the beginning on (RFC 9111 §3.4)", () => {
  test("are completed: only the rest is asked for, and the whole is stored", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    serveWithRanges(origin);
    const url = `${origin.url}/file`;
    await get(larder, url, { Range: "bytes=0-99999" });
    await get(larder, url, { Range: "bytes=90000-199999" });
    origin.takeRequests();
    const whole = await get(larder, url);
    expect([whole.status, whole.isWhole, whole.body.equals(BODY)]).toEqual([200, true, true]);
    expect(whole.headers["content-range"]).toBeUndefined();
    expect(asked(origin)).toEqual([{ range: "bytes=200000-", ifRange: '"1"' }]);
    const hit = await get(larder, url);
    expect(hit.headers["cache-status"]).toContain("hit");
    expect(hit.body.equals(BODY)).toBe(true);
    expect(larder.store.find(`GET ${url}`).map(({ status }) => status)).toEqual([200]);
    const filled = await larder.recorded(({ bytes, isHit }) => bytes === BODY.length && !isHit);
    expect(filled.originBytes).toBe(100_000);
  });

  test("are dropped when the origin has something else by now", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const site = serveWithRanges(origin);
    const url = `${origin.url}/file`;
    await get(larder, url, { Range: "bytes=0-99999" });
    site.etag = '"2"';
    site.body = noise("changed", 200_000);
    const whole = await get(larder, url);
    expect([whole.status, whole.body.equals(site.body)]).toEqual([200, true]);
    expect((await get(larder, url)).body.equals(site.body)).toBe(true);
    expect(larder.store.find(`GET ${url}`)).toHaveLength(1);
  });

  test("without a strong validator are never put together", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const site = serveWithRanges(origin);
    site.etag = 'W/"1"';
    const url = `${origin.url}/file`;
    await get(larder, url, { Range: "bytes=0-99999" });
    origin.takeRequests();
    expect((await get(larder, url)).body.equals(BODY)).toBe(true);
    expect(asked(origin)).toEqual([{ range: undefined, ifRange: undefined }]);
  });
});

describe("an answer that was cut for good (RFC 9111 §3.3)", () => {
  test("is kept as far as it came, and only the rest is fetched later", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const site = serveWithRanges(origin);
    const url = `${origin.url}/file`;
    let answers = 0;
    const cut: Parameters<Origin["serve"]>[1] = (_, response) => {
      answers += 1;
      if (answers > 1) return void response.destroy();
      response.writeHead(200, { ETag: site.etag, "Cache-Control": "max-age=1000", "Content-Length": BODY.length });
      response.write(BODY.subarray(0, 120_000), () => response.destroy());
    };
    origin.serve("/file", cut);
    expect((await get(larder, url)).isWhole).toBe(false);
    await expect.poll(() => larder.store.find(`GET ${url}`).length).toBe(1);
    const kept = larder.store.find(`GET ${url}`)[0]?.bytes ?? 0;
    expect(kept).toBeGreaterThan(0);
    serveWithRanges(origin);
    origin.takeRequests();
    const whole = await get(larder, url);
    expect([whole.status, whole.isWhole, whole.body.equals(BODY)]).toEqual([200, true, true]);
    expect(asked(origin)).toEqual([{ range: `bytes=${kept}-`, ifRange: '"1"' }]);
  });
});
