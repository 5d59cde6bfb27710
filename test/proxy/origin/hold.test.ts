import { once } from "node:events";
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import net from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { silentLog } from "../../../core/log.ts";
import { parseTarget } from "../../../core/target.ts";
import { OriginHold } from "../../../proxy/origin/hold.ts";
import { createOrigin } from "../../../proxy/origin/origin.ts";
import type { Connect } from "../../../proxy/origin/secure.ts";
import { get, sendRaw } from "../../support/client.ts";
import { Origin } from "../../support/origin.ts";
import { test as bench, NO_PARENTS, SETTINGS } from "../workbench.ts";

/** A clock that stands still until it is moved. */
class Hands {
  nowMs = Date.UTC(2026, 0, 1, 12);
  readonly clock = (): number => this.nowMs;
}

const test = bench
  .extend("hands", () => new Hands())
  .extend("mirror", async ({ task: _ }, { onCleanup }) => {
    const mirror = await Origin.start();
    onCleanup(() => mirror.stop());
    return mirror;
  })
  .extend("wayOut", async ({ task: _ }, { onCleanup }) => {
    const connect: Connect = async (to) => {
      const socket = net.connect(to);
      await once(socket, "connect");
      return socket;
    };
    const wayOut = createOrigin({ connect, connectToParents: connect, parents: NO_PARENTS }, SETTINGS);
    onCleanup(() => wayOut.close());
    return wayOut;
  });

/** Answers with the status and fields of the moment; the body is the path. */
class Mood {
  status = 200;
  fields: OutgoingHttpHeaders = {};
  readonly handler = ({ url }: IncomingMessage, response: ServerResponse): void => {
    response.sendDate = false;
    response.writeHead(this.status, { "Cache-Control": "max-age=60", ...this.fields }).end(url);
  };

  turn(status: number, fields: OutgoingHttpHeaders = {}): void {
    Object.assign(this, { status, fields });
  }
}

function moodOf(origin: Origin): Mood {
  const mood = new Mood();
  origin.serve("/", mood.handler);
  return mood;
}

describe("an origin that answers 503 with Retry-After", () => {
  test.for([
    ["seconds", "30"],
    ["a date", "Thu, 01 Jan 2026 12:00:30 GMT"],
  ] as const)("is asked for nothing until then, told by %s", async ([, after], { hands, origin, startLarder }) => {
    const larder = await startLarder({ clock: hands.clock });
    const mood = moodOf(origin);
    mood.turn(503, { "Retry-After": after });
    const first = await get(larder, `${origin.url}/a`);
    expect([first.status, first.body.toString()]).toEqual([503, "/a"]);
    mood.turn(200);
    origin.takeRequests();
    hands.nowMs += 10_500;
    const held = await get(larder, `${origin.url}/b`);
    expect([held.status, held.headers["retry-after"]]).toEqual([503, "20"]);
    expect(held.body.toString()).toContain("ORIGIN_HELD");
    expect(held.headers["cache-status"]).toContain("ORIGIN_HELD");
    expect(origin.takeRequests()).toEqual([]);
    hands.nowMs += 19_500;
    expect((await get(larder, `${origin.url}/b`)).status).toBe(200);
    const lines = larder.log.filter(({ facts }) => facts["origin"] === origin.url);
    expect(lines.map(({ message }) => message)).toEqual(["origin is held", "origin is asked again"]);
  });

  test("is not left alone for a year", async ({ hands, origin, startLarder }) => {
    const larder = await startLarder({ clock: hands.clock });
    moodOf(origin).turn(503, { "Retry-After": "31536000" });
    await get(larder, `${origin.url}/a`);
    expect((await get(larder, `${origin.url}/b`)).headers["retry-after"]).toBe("300");
  });

  test("is not left alone for longer when the clock is put back", async ({ hands, origin, startLarder }) => {
    const larder = await startLarder({ clock: hands.clock });
    const mood = moodOf(origin);
    mood.turn(503, { "Retry-After": "60" });
    await get(larder, `${origin.url}/a`);
    mood.turn(200);
    hands.nowMs -= 3_600_000;
    expect((await get(larder, `${origin.url}/b`)).status).toBe(200);
  });

  test("holds no other origin, and nothing that fills nothing", async ({ hands, origin, mirror, startLarder }) => {
    const larder = await startLarder({ clock: hands.clock });
    moodOf(origin).turn(503, { "Retry-After": "60" });
    moodOf(mirror);
    await get(larder, `${origin.url}/a`);
    expect((await get(larder, `${mirror.url}/a`)).status).toBe(200);
    const host = new URL(origin.url).host;
    const head = `POST ${origin.url}/form HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
    const answer = await sendRaw(larder.port, head);
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(answer).not.toContain("ORIGIN_HELD");
  });

  test("has its stored roots served stale", async ({ hands, origin, startLarder }) => {
    const larder = await startLarder({ clock: hands.clock });
    const mood = moodOf(origin);
    mood.turn(200, { "Content-Type": "text/html", "Cache-Control": "max-age=1, must-revalidate" });
    await get(larder, `${origin.url}/simple/flask/`);
    hands.nowMs += 2_000;
    mood.turn(503, { "Retry-After": "60" });
    await get(larder, `${origin.url}/a`);
    origin.takeRequests();
    const stale = await get(larder, `${origin.url}/simple/flask/`);
    expect([stale.status, stale.body.toString()]).toEqual([200, "/simple/flask/"]);
    expect(stale.headers["cache-status"]).toContain("ORIGIN_HELD");
    expect(origin.takeRequests()).toEqual([]);
  });

  test.for([
    ["max-age=1, stale-if-error=60", 200],
    ["max-age=1, stale-if-error=1", 503],
    ["max-age=1", 503],
  ] as const)(
    "has an other resource served by %j (RFC 5861 §4)",
    async ([directives, status], { hands, origin, startLarder }) => {
      const larder = await startLarder({ clock: hands.clock });
      const mood = moodOf(origin);
      mood.turn(200, { "Cache-Control": directives });
      await get(larder, `${origin.url}/page`);
      hands.nowMs += 5_000;
      mood.turn(503, { "Retry-After": "60" });
      await get(larder, `${origin.url}/a`);
      expect((await get(larder, `${origin.url}/page`)).status).toBe(status);
    },
  );

  test("has a declared payload fetched from the next mirror", async ({ hands, origin, mirror, startLarder }) => {
    const larder = await startLarder({ clock: hands.clock });
    const wheel = Buffer.from("the bytes of a wheel");
    const file = "flask-1.0-py3-none-any.whl";
    const page = `<a href="/files/${file}#sha256=${digestOf(wheel)}">${file}</a>`;
    for (const place of [origin, mirror]) {
      place.serve("/simple/flask/", (_, response) => void response.setHeader("Content-Type", "text/html").end(page));
      place.serve(`/files/${file}`, (_, response) => void response.end(wheel));
      await get(larder, `${place.url}/simple/flask/`);
    }
    origin.serve("/a", (_, response) => void response.writeHead(503, { "Retry-After": "60" }).end());
    await get(larder, `${origin.url}/a`);
    origin.takeRequests();
    const answer = await get(larder, `${origin.url}/files/${file}`);
    expect([answer.status, answer.body]).toEqual([200, wheel]);
    expect(origin.takeRequests()).toEqual([]);
    expect(mirror.takeRequests().map(({ path }) => path)).toContain(`/files/${file}`);
  });
});

describe("a package file that can be had nowhere else", () => {
  test("waits for an origin that wants to be left alone for a moment", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const statuses = [429, 200];
    origin.serve("/pool/hello.deb", (_, response) => {
      response.writeHead(statuses.shift() ?? 500, { "Retry-After": "1" }).end("a package");
    });
    const [one, other] = await Promise.all([
      get(larder, `${origin.url}/pool/hello.deb`),
      get(larder, `${origin.url}/pool/hello.deb`),
    ]);
    expect([one.status, other.status]).toEqual([200, 200]);
    expect(origin.takeRequests().map(({ status }) => status)).toEqual([429, 200]);
  });

  test("gets the origin's own answer when the wait was for nothing", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    moodOf(origin).turn(429, { "Retry-After": "3" });
    const answer = await get(larder, `${origin.url}/pool/hello.deb`);
    expect([answer.status, answer.headers["retry-after"]]).toEqual([429, "3"]);
    expect(origin.takeRequests()).toHaveLength(2);
  });
});

describe("an origin that answers 429", () => {
  test("is asked for nothing with the same credentials", async ({ hands, origin, startLarder }) => {
    const larder = await startLarder({ clock: hands.clock });
    const mood = moodOf(origin);
    mood.turn(429, { "Retry-After": "60" });
    const mine = { Authorization: "Bearer mine" };
    expect((await get(larder, `${origin.url}/a`, mine)).status).toBe(429);
    mood.turn(200);
    expect((await get(larder, `${origin.url}/b`, mine)).status).toBe(503);
    expect((await get(larder, `${origin.url}/b`, { Authorization: "Bearer yours" })).status).toBe(200);
    expect((await get(larder, `${origin.url}/b`)).status).toBe(200);
  });

  test("has its stored roots served stale", async ({ hands, origin, startLarder }) => {
    const larder = await startLarder({ clock: hands.clock });
    const mood = moodOf(origin);
    mood.turn(200, { "Content-Type": "text/html", "Cache-Control": "max-age=1" });
    await get(larder, `${origin.url}/simple/flask/`);
    hands.nowMs += 2_000;
    mood.turn(429, { "Retry-After": "60" });
    const stale = await get(larder, `${origin.url}/simple/flask/`);
    expect([stale.status, stale.headers["cache-status"]]).toEqual([200, expect.stringContaining("status-429")]);
  });
});

describe("without Retry-After", () => {
  test("a 503 holds nothing", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const mood = moodOf(origin);
    mood.turn(503);
    await get(larder, `${origin.url}/a`);
    mood.turn(200);
    expect((await get(larder, `${origin.url}/b`)).status).toBe(200);
  });

  test("a 429 holds for a second, then twice as long each time, less up to a half by chance", async ({
    hands,
    origin,
    wayOut,
  }) => {
    const chances = [0, 1, 0.5];
    const hold = new OriginHold(wayOut, { clock: hands.clock, log: silentLog, random: () => chances.shift() ?? 0 });
    const mood = moodOf(origin);
    mood.turn(429);
    for (const waitMs of [500, 2_000, 3_000]) {
      expect(await ask(hold, origin)).toBe("429");
      hands.nowMs += waitMs - 1;
      expect(await ask(hold, origin)).toBe("ORIGIN_HELD");
      hands.nowMs += 1;
    }
    mood.turn(200);
    expect(await ask(hold, origin)).toBe("200");
    mood.turn(429);
    expect(await ask(hold, origin)).toBe("429");
    hands.nowMs += 500;
    expect(await ask(hold, origin)).toBe("429");
  });
});

/** @returns the status, or the code of the fault. */
async function ask(hold: OriginHold, origin: Origin): Promise<string> {
  const { signal } = new AbortController();
  try {
    const { head, body } = await hold.ask({ target: parseTarget(`${origin.url}/file`), fields: ["Host", "o"], signal });
    await text(body);
    return String(head.status);
  } catch (error) {
    return (error as { readonly code: string }).code;
  }
}
