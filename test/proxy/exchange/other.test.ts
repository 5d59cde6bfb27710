import { once } from "node:events";
import http, { type IncomingMessage, type InformationEvent } from "node:http";
import { text } from "node:stream/consumers";
import { describe, expect } from "vitest";
import { HandClock } from "../../storage/workbench.ts";
import { get, open } from "../../support/client.ts";
import { noise } from "../../support/noise.ts";
import type { Handler } from "../../support/origin.ts";
import { test } from "../workbench.ts";

/** Stale when it comes: a cache before the origin has had it for a hundred seconds. */
const STALE = { Age: "100", "Cache-Control": "max-age=10" };
const FRESH = { "Cache-Control": "max-age=1000" };

/** A request of any method through the proxy, in absolute-form; the answer is read to its end. */
async function send(port: number, method: string, url: string, interims: InformationEvent[] = []) {
  const request = http.request({ port, method, path: url, headers: { Host: new URL(url).host }, agent: false });
  request.on("information", (information) => interims.push(information));
  request.end();
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  answer.resume();
  await once(answer, "close");
  return answer;
}

const saying =
  (fields: Record<string, string>, body: string, status = 200): Handler =>
  (_, response) =>
    void response.writeHead(status, fields).end(body);

describe("Age (RFC 9111 §5.1)", () => {
  test("of what comes through is what the cache before larder says", async ({ origin, startLarder }) => {
    const clock = new HandClock();
    const larder = await startLarder({ clock: clock.read });
    origin.serve("/page", saying({ ...FRESH, Age: "30" }, "page"));
    expect((await get(larder, `${origin.url}/page`)).headers["age"]).toBe("30");
    clock.advance(5_000);
    expect((await get(larder, `${origin.url}/page`)).headers["age"]).toBe("35");
  });
});

describe("invalidation (RFC 9111 §4.4)", () => {
  test("also reaches what is still under way: the old body is sent, and not kept", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    let finish: () => void = () => undefined;
    origin.serve("/page", (request, response) => {
      if (request.method === "PUT") return void response.writeHead(204).end();
      response.writeHead(200, FRESH).write("ol");
      finish = () => response.end("d");
    });
    const arrived = origin.arrival("/page");
    const old = get(larder, `${origin.url}/page`);
    await arrived;
    expect((await send(larder.port, "PUT", `${origin.url}/page`)).statusCode).toBe(204);
    finish();
    expect(String((await old).body)).toBe("old");
    origin.serve("/page", saying(FRESH, "new"));
    expect(String((await get(larder, `${origin.url}/page`)).body)).toBe("new");
    expect((await get(larder, `${origin.url}/page`)).headers["cache-status"]).toContain("hit");
  });
});

describe("a stale response", () => {
  test("without validator stands in when the origin breaks off (§4.2.4)", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/page", saying({ ...STALE, "Last-Modified": "never" }, "page"));
    await get(larder, `${origin.url}/page`);
    origin.serve("/page", (request) => void request.socket.destroy());
    const answer = await get(larder, `${origin.url}/page`);
    expect([answer.status, String(answer.body)]).toEqual([200, "page"]);
    expect(answer.headers["cache-status"]).toContain("detail=ORIGIN");
  });

  test("stands in for a 503 under stale-if-error (RFC 5861 §4)", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/page", saying({ Age: "100", "Cache-Control": "max-age=10, stale-if-error=1000" }, "page"));
    await get(larder, `${origin.url}/page`);
    origin.serve("/page", saying({}, "down", 503));
    expect(String((await get(larder, `${origin.url}/page`)).body)).toBe("page");
  });

  test("is served at once under stale-while-revalidate, and asked for once behind the answers (RFC 5861 §3)", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    const fields = { Age: "100", "Cache-Control": "max-age=10, stale-while-revalidate=1000", ETag: '"1"' };
    origin.serve("/page", saying(fields, "old"));
    await get(larder, `${origin.url}/page`);
    origin.takeRequests();
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    origin.serve("/page", async (_, response) => {
      await held;
      response.writeHead(200, FRESH).end("new");
    });
    const asked = origin.arrival("/page");
    const [one, two] = [await get(larder, `${origin.url}/page`), await get(larder, `${origin.url}/page`)];
    await asked;
    expect([String(one.body), String(two.body)]).toEqual(["old", "old"]);
    expect(one.headers["cache-status"]).toMatch(/hit; ttl=-\d+; detail=stale/);
    release();
    await expect.poll(async () => String((await get(larder, `${origin.url}/page`)).body)).toBe("new");
    const requests = origin.takeRequests();
    expect(requests.map(({ headers }) => headers["if-none-match"])).toEqual(['"1"']);
  });

  test("is freshened by a HEAD that agrees with it, and forgotten after one that does not (§4.3.5)", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    const url = `${origin.url}/page`;
    origin.serve("/page", saying({ ...STALE, ETag: '"1"' }, "page"));
    await get(larder, url);
    origin.serve("/page", saying({ ...FRESH, ETag: '"1"', "Content-Length": "4", Told: "since" }, ""));
    await send(larder.port, "HEAD", url);
    const freshened = await get(larder, url);
    expect(freshened.headers).toMatchObject({ told: "since", "cache-status": expect.stringContaining("hit") });

    const request = http.request({ port: larder.port, method: "HEAD", path: url, agent: false });
    request.setHeader("Host", new URL(url).host).setHeader("Cache-Control", "no-cache");
    origin.serve("/page", saying({ ...FRESH, ETag: '"2"' }, "news"));
    request.end();
    await once(request, "response");
    expect(String((await get(larder, url)).body)).toBe("news");
  });
});

describe("fields that no-cache or private names (RFC 9111 §5.2.2.4, §5.2.2.7)", () => {
  test("are for whoever asked first, and for nobody who shares or is given the stored answer", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    let finish: () => void = () => undefined;
    const control = 'max-age=1000, no-cache="set-cookie", private="x-user"';
    origin.serve("/page", (_, response) => {
      response.writeHead(200, {
        "Cache-Control": control,
        "Set-Cookie": ["a=1", "b=2"],
        "X-User": "one",
        "X-All": "y",
      });
      response.write("pa");
      finish = () => void response.end("ge");
    });
    const url = `${origin.url}/page`;
    const first = await open(larder, url);
    const second = await open(larder, url);
    finish();
    const bodies = await Promise.all([first, second].map((answer) => text(answer)));
    const third = await get(larder, url);
    expect([...bodies, String(third.body)]).toEqual(["page", "page", "page"]);
    expect(first.headers).toMatchObject({ "set-cookie": ["a=1", "b=2"], "x-user": "one", "x-all": "y" });
    for (const { headers } of [second, third]) {
      expect(headers).toMatchObject({ "x-all": "y" });
      expect([headers["set-cookie"], headers["x-user"]]).toEqual([undefined, undefined]);
    }
    expect(origin.takeRequests()).toHaveLength(1);
  });
});

describe("interim answers (RFC 9110 §15.2)", () => {
  test.for([
    ["stored", "GET", FRESH],
    ["not stored", "GET", { "Cache-Control": "no-store" }],
    ["of another method", "PUT", {}],
  ] as const)("are passed on before an answer that is %s", async ([, method, fields], { origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/page", (_, response) => {
      response.writeProcessing();
      response.writeEarlyHints({ link: "</style.css>; rel=preload", "x-hint": "one" });
      response.writeHead(200, fields).end("page");
    });
    const interims: InformationEvent[] = [];
    expect((await send(larder.port, method, `${origin.url}/page`, interims)).statusCode).toBe(200);
    expect(interims.map(({ statusCode }) => statusCode)).toEqual([102, 103]);
    expect(interims[1]?.headers).toMatchObject({ link: "</style.css>; rel=preload", "x-hint": "one" });
  });
});

describe("trailers of what is not stored (RFC 9110 §6.5)", () => {
  test.for(["GET", "POST"])("are passed on behind the content: %s", async (method, { origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/page", (_, response) => {
      response.writeHead(200, { "Cache-Control": "no-store", Trailer: "X-Sum" }).write("page");
      response.addTrailers({ "X-Sum": "abc", "Content-Type": "text/evil" });
      response.end();
    });
    const { trailers, headers } = await send(larder.port, method, `${origin.url}/page`);
    expect(headers["transfer-encoding"]).toBe("chunked");
    expect(trailers).toEqual({ "x-sum": "abc" });
  });

  test("are passed on behind a request's content, which stays chunked", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/page", async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const { trailers } = request;
      response.end(JSON.stringify({ coding: request.headers["transfer-encoding"], trailers, body: `${chunks}` }));
    });
    const url = `${origin.url}/page`;
    const headers = { Host: new URL(url).host, Trailer: "X-Sum", "Transfer-Encoding": "chunked" };
    const request = http.request({ port: larder.port, method: "POST", path: url, headers, agent: false });
    request.write("body");
    request.addTrailers({ "X-Sum": "abc" });
    request.end();
    const [answer] = (await once(request, "response")) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
    expect(JSON.parse(`${chunks}`)).toEqual({ coding: "chunked", trailers: { "x-sum": "abc" }, body: "body" });
  });
});

describe("CDN-Cache-Control (RFC 9213)", () => {
  test("stands in for Cache-Control when the user says so, and is passed on", async ({ origin, startLarder }) => {
    const larder = await startLarder({ settings: { targetedFields: ["cdn-cache-control"] } });
    origin.serve("/page", saying({ "Cache-Control": "no-store", "CDN-Cache-Control": "max-age=1000" }, "page"));
    await get(larder, `${origin.url}/page`);
    const { headers } = await get(larder, `${origin.url}/page`);
    expect(headers["cache-status"]).toContain("hit");
    expect(headers).toMatchObject({ "cache-control": "no-store", "cdn-cache-control": "max-age=1000" });
  });
});

describe("several ranges (RFC 9110 §15.3.7.2)", () => {
  const partsOf = (answer: { readonly headers: http.IncomingHttpHeaders; readonly body: Buffer }) => {
    const boundary = /^multipart\/byteranges; boundary=(.+)$/.exec(answer.headers["content-type"] ?? "")?.[1];
    expect(answer.headers["content-length"]).toBe(String(answer.body.length));
    const [before, ...pieces] = answer.body.toString("latin1").split(`--${boundary}`);
    expect([before, pieces.pop()]).toEqual(["", "--\r\n"]);
    return pieces.map((piece) => {
      const [head = "", body] = piece.slice(2, -2).split("\r\n\r\n");
      return { head: head.split("\r\n"), body };
    });
  };

  test.for([
    ["small", 1000],
    ["large", 300_000],
  ] as const)("of a %s stored body come as one answer", async ([, bytes], { origin, startLarder }) => {
    const larder = await startLarder();
    const body = noise("ranges", bytes);
    origin.serve("/page", (_, response) => {
      response.writeHead(200, { ...FRESH, "Content-Type": "text/plain", ETag: '"1"' }).end(body);
    });
    await get(larder, `${origin.url}/page`);
    const answer = await get(larder, `${origin.url}/page`, { Range: "bytes=0-9, -5", "If-Range": '"1"' });
    expect(answer.status).toBe(206);
    expect(answer.headers["content-range"]).toBeUndefined();
    expect(partsOf(answer)).toEqual([
      { head: ["Content-Type: text/plain", `Content-Range: bytes 0-9/${bytes}`], body: body.toString("latin1", 0, 10) },
      {
        head: ["Content-Type: text/plain", `Content-Range: bytes ${bytes - 5}-${bytes - 1}/${bytes}`],
        body: body.toString("latin1", bytes - 5),
      },
    ]);
  });

  test("of a payload that is not there yet come when it is", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const body = noise("payload", 200_000);
    origin.serve("/a.rpm", (_, response) => {
      response.writeHead(200, { "Content-Length": body.length, ETag: '"1"' }).write(body.subarray(0, 1000));
      setImmediate(() => response.end(body.subarray(1000)));
    });
    const answer = await get(larder, `${origin.url}/a.rpm`, { Range: "bytes=199999-, 0-0" });
    expect(answer.status).toBe(206);
    expect(partsOf(answer).map((part) => part.body)).toEqual([
      body.toString("latin1", 199_999),
      body.toString("latin1", 0, 1),
    ]);
  });
});
