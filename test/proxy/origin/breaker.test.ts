import { once } from "node:events";
import net from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect } from "vitest";
import { parseTarget } from "../../../core/target.ts";
import { Breaker, OriginBreaker } from "../../../proxy/origin/breaker.ts";
import { createOrigin } from "../../../proxy/origin/origin.ts";
import type { Connect } from "../../../proxy/origin/secure.ts";
import { get, sendRaw } from "../../support/client.ts";
import type { Origin } from "../../support/origin.ts";
import { test as bench, NO_PARENTS, SETTINGS } from "../workbench.ts";

const connect: Connect = async (to) => {
  const socket = net.connect(to);
  await once(socket, "connect");
  return socket;
};

/** A clock that stands still until it is moved. */
class Hands {
  nowMs = Date.now();
  readonly clock = (): number => this.nowMs;
}

const test = bench
  .extend("hands", () => new Hands())
  .extend("breaker", async ({ hands }, { onCleanup }) => {
    const routes = { connect, connectToParents: connect, parents: NO_PARENTS };
    const breaker = new OriginBreaker(createOrigin(routes, SETTINGS), new Breaker(hands.clock));
    onCleanup(() => breaker.close());
    return breaker;
  });

/** @returns the body of the answer, or the code of the fault. */
async function ask(breaker: OriginBreaker, origin: Origin, path = "/file"): Promise<string> {
  const question = { target: parseTarget(origin.url + path), fields: ["Host", "origin"] };
  try {
    const { body } = await breaker.ask({ ...question, signal: new AbortController().signal });
    return await text(body);
  } catch (error) {
    return (error as { readonly code: string }).code;
  }
}

/** Fails as often as opens the breaker; then the origin is there again. */
async function openBreaker(breaker: OriginBreaker, origin: Origin): Promise<void> {
  await origin.stop();
  expect([await ask(breaker, origin), await ask(breaker, origin)]).toEqual(["ORIGIN_REFUSED", "ORIGIN_REFUSED"]);
  await origin.restart();
}

describe("the breaker of an origin", () => {
  test("opens after two failures to connect in a row, for thirty seconds", async ({ breaker, hands, origin }) => {
    origin.serve("/file", (_, response) => void response.end("here"));
    await openBreaker(breaker, origin);
    hands.nowMs += 29_999;
    expect(await ask(breaker, origin)).toBe("ORIGIN_BREAKER_OPEN");
    expect(origin.takeRequests()).toEqual([]);
    hands.nowMs += 1;
    expect(await ask(breaker, origin)).toBe("here");
    expect(await ask(breaker, origin)).toBe("here");
  });

  test("opens again when the question after that fails", async ({ breaker, hands, origin }) => {
    await openBreaker(breaker, origin);
    await origin.stop();
    hands.nowMs += 30_000;
    expect(await ask(breaker, origin)).toBe("ORIGIN_REFUSED");
    expect(await ask(breaker, origin)).toBe("ORIGIN_BREAKER_OPEN");
  });

  test("does not stay open for longer when the clock is put back", async ({ breaker, hands, origin }) => {
    origin.serve("/file", (_, response) => void response.end("here"));
    await openBreaker(breaker, origin);
    hands.nowMs -= 3_600_000;
    expect(await ask(breaker, origin)).toBe("here");
  });

  test("lets one question at a time find out whether the origin is back", async ({ breaker, hands, origin }) => {
    let answer: () => void = () => undefined;
    origin.serve("/file", (_, response) => {
      answer = () => void response.end("here");
    });
    await openBreaker(breaker, origin);
    hands.nowMs += 30_000;
    const arrival = origin.arrival("/file");
    const probe = ask(breaker, origin);
    await arrival;
    expect(await ask(breaker, origin)).toBe("ORIGIN_BREAKER_OPEN");
    answer();
    expect(await probe).toBe("here");
  });

  test("takes questions that fail together for one failure", async ({ breaker, origin }) => {
    origin.serve("/file", (_, response) => void response.end("here"));
    await origin.stop();
    await Promise.all([1, 2, 3, 4].map(() => ask(breaker, origin)));
    await origin.restart();
    expect(await ask(breaker, origin)).toBe("here");
  });

  test("does not open for what goes wrong on a connection", async ({ breaker, origin }) => {
    origin.serve("/reset", (request) => void request.socket.resetAndDestroy());
    for (const _ of [1, 2, 3]) expect(await ask(breaker, origin, "/reset")).toBe("ORIGIN_RESET");
  });

  test("is that of one origin alone", async ({ breaker, origin, secureOrigin }) => {
    await openBreaker(breaker, origin);
    await secureOrigin.stop();
    expect(await ask(breaker, secureOrigin)).not.toBe("ORIGIN_BREAKER_OPEN");
  });
});

describe("a client of an origin whose breaker is open", () => {
  test("gets what is stored, or 504, and no-cache changes nothing", async ({ hands, origin, startLarder }) => {
    const larder = await startLarder({ clock: hands.clock });
    const page = { "Content-Type": "text/html", "Cache-Control": "max-age=1" };
    origin.serve("/simple/flask/", (_, response) => void response.writeHead(200, page).end("<html></html>"));
    const url = `${origin.url}/simple/flask/`;
    await get(larder, url);
    await origin.stop();
    expect((await get(larder, `${origin.url}/a`)).status).toBe(502);
    expect((await get(larder, `${origin.url}/b`)).status).toBe(502);
    await origin.restart();
    origin.takeRequests();
    hands.nowMs += 2_000;
    const stored = await get(larder, url, { "Cache-Control": "no-cache" });
    expect(stored.status).toBe(200);
    expect(stored.headers["cache-status"]).toContain("ORIGIN_BREAKER_OPEN");
    const missing = await get(larder, `${origin.url}/a`);
    expect(missing.status).toBe(504);
    expect(missing.body.toString()).toContain("ORIGIN_BREAKER_OPEN");
    expect(origin.takeRequests()).toEqual([]);
  });

  test("gets 504 at once for other methods, upgrades and blind tunnels too", async ({ hands, origin, startLarder }) => {
    const larder = await startLarder({ clock: hands.clock, settings: { tunnel: ["127.0.0.1"] } });
    const { host } = new URL(origin.url);
    const send = (start: string, ...fields: string[]) =>
      sendRaw(larder.port, [`${start} HTTP/1.1`, `Host: ${host}`, "Connection: close", ...fields, "", ""].join("\r\n"));
    const post = () => send(`POST ${origin.url}/form`, "Content-Length: 0");
    const tunnel = () => send(`CONNECT ${host}`);
    await origin.stop();
    for (const refused of [await post(), await post(), await tunnel(), await tunnel()])
      expect(refused).toContain("ORIGIN_REFUSED");
    await origin.restart();
    expect(await post()).toMatch(/^HTTP\/1\.1 504 .*ORIGIN_BREAKER_OPEN/s);
    expect(await tunnel()).toMatch(/^HTTP\/1\.1 504 .*ORIGIN_BREAKER_OPEN/s);
    const upgrade = ["Connection: Upgrade", "Upgrade: websocket"];
    expect(await send(`GET ${origin.url}/chat`, ...upgrade)).toMatch(/^HTTP\/1\.1 504 .*ORIGIN_BREAKER_OPEN/s);
    expect(origin.takeRequests()).toEqual([]);
    hands.nowMs += 30_000;
    expect(await post()).toMatch(/^HTTP\/1\.1 404 /);
    expect(await post()).toMatch(/^HTTP\/1\.1 404 /);
  });
});
