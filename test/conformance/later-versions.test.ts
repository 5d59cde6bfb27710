import { once } from "node:events";
import http, { type InformationEvent } from "node:http";
import { describe, expect } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { formatHttpDate } from "../../policy/fields/http-date.ts";
import { test } from "../proxy/workbench.ts";
import { get } from "../support/client.ts";
import type { Handler } from "../support/origin.ts";

/**
 * What versions of cache-tests later than the one on npm ask anew or the other way round, in larder's own words: the fields
 * of an answer, and whether it stands in for the next three seconds later. `now+N` is a date.
 */
type Ask = readonly [title: string, fields: readonly string[], isReused: boolean];

const HOUR = "Cache-Control: max-age=3600";
const aged = (...values: string[]) => ["Date: now+0", HOUR, ...values.map((value) => `Age: ${value}`)];
const cdn = (value: string, ...fields: string[]) => [`CDN-Cache-Control: ${value}`, ...fields];
const LONG_FOR_OTHERS = ["Cache-Control: max-age=9999", "Expires: now+9999"];
const NO_STORE = "Cache-Control: no-store";

const ASKS: readonly Ask[] = [
  ["a lifetime that has passed", ["Cache-Control: max-age=2"], false],
  ["an Age that is no number", aged("abc"), true],
  ["an Age below zero", aged("-7200"), true],
  ["an Age with a fraction", aged("7200.0"), true],
  ["an Age of 2^31 - 1", aged("2147483647"), false],
  ["an Age of 2^31", aged("2147483648"), false],
  ["an Age of 2^31 + 1", aged("2147483649"), false],
  ["an old Age before a young one, in a line", aged("7200, 0"), false],
  ["a young Age before an old one, in a line", aged("0, 7200"), true],
  ["an old Age before a young one, in two lines", aged("7200", "0"), false],
  ["a young Age before an old one, in two lines", aged("0", "7200"), true],
  ["one Age twice in a line", aged("0, 0"), true],
  ["one Age in two lines", aged("1800", "1800"), true],
  ["no-store lifted by must-understand", ["Cache-Control: max-age=3600, no-store, must-understand"], true],
  ["a lifetime for content networks", cdn("max-age=3600"), true],
  ["a lifetime for content networks of 2^31 s", cdn("max-age=2147483648"), true],
  ["a lifetime for content networks of 99999999999 s", cdn("max-age=99999999999"), true],
  ["a lifetime for content networks beside what nobody knows", cdn("foobar, max-age=3600"), true],
  ["a lifetime for content networks, Expires in the past", cdn("max-age=3600", "Expires: now-9999"), true],
  ["a lifetime for content networks, Expires that is no date", cdn("max-age=3600", "Expires: 0"), true],
  ["a lifetime for content networks, a short one for others", cdn("max-age=3600", "Cache-Control: max-age=1"), true],
  ["a lifetime for content networks, no-store for others", cdn("max-age=9999", NO_STORE), true],
  ["a short lifetime for content networks, a long one for others", cdn("max-age=1", HOUR), false],
  ["a lifetime for content networks that Age exceeds", cdn("max-age=3600", "Age: 7200"), false],
  ["max-age=0 for content networks", cdn("max-age=0"), false],
  ["max-age=0 for content networks, Expires to come", cdn("max-age=0", "Expires: now+9999"), false],
  ["private for content networks", cdn("private", ...LONG_FOR_OTHERS), false],
  ["no-cache for content networks", cdn("no-cache", ...LONG_FOR_OTHERS), false],
  ["no-store for content networks", cdn("no-store", ...LONG_FOR_OTHERS), false],
  ["what cannot be read for content networks, no-store for others", cdn("max-age=9999, &&&&&", NO_STORE), false],
  ["a lifetime in quotes for content networks, no-store for others", cdn('max-age="9999"', NO_STORE), false],
];

/** Answers with these lines and the number of the request. */
function saying(lines: readonly string[], nowMs: number): Handler {
  let count = 0;
  const date = (_: string, seconds: string) => formatHttpDate(nowMs + Number(seconds) * 1000);
  const fields = lines.flatMap((line) => line.replace(/now([+-]\d+)/, date).split(/: (.*)/s, 2));
  return (_, response) => {
    count += 1;
    response.sendDate = !fields.includes("Date");
    response.writeHead(200, fields).end(`${count}`);
  };
}

/** Asks for interim answers too, which `get` does not tell of. */
async function interimsOf(port: number, url: string): Promise<number[]> {
  const request = http.get({ port, path: url, headers: { Host: new URL(url).host }, agent: false });
  const interims: number[] = [];
  request.on("information", ({ statusCode, headers }: InformationEvent) => {
    interims.push(statusCode);
    if (statusCode === 103) expect(headers["x-hint"]).toBe("one");
  });
  const [answer] = (await once(request, "response")) as [http.IncomingMessage];
  expect(answer.headers["x-hint"]).toBeUndefined();
  answer.resume();
  await once(answer, "close");
  return interims;
}

describe("later versions of cache-tests", () => {
  test("are passed, plain and intercepted", async ({ authority, origin, secureOrigin, startLarder }) => {
    let nowMs = systemClock();
    const larder = await startLarder({
      clock: () => nowMs,
      settings: { targetedFields: ["cdn-cache-control"], originRoots: authority.caPem },
    });
    for (const from of [origin, secureOrigin]) {
      const got: unknown[] = [];
      for (const [index, [title, fields]] of ASKS.entries()) {
        from.serve(`/${index}`, saying(fields, nowMs));
        await get(larder, `${from.url}/${index}`);
        nowMs += 3000;
        got.push([title, String((await get(larder, `${from.url}/${index}`)).body) === "1"]);
      }
      expect(got).toEqual(ASKS.map(([title, , isReused]) => [title, isReused]));
    }
  });

  test("want nothing stale after the window of stale-while-revalidate", async ({ origin, startLarder }) => {
    let nowMs = systemClock();
    const larder = await startLarder({ clock: () => nowMs });
    origin.serve("/page", saying(["Cache-Control: max-age=1, stale-while-revalidate=4", 'ETag: "1"'], nowMs));
    await get(larder, `${origin.url}/page`);
    nowMs += 6000;
    expect(String((await get(larder, `${origin.url}/page`)).body)).toBe("2");
  });

  test("want interim answers passed on and none of their fields kept", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/page", (_, response) => {
      response.writeProcessing();
      response.writeEarlyHints({ link: "</style.css>; rel=preload", "x-hint": "one" });
      response.writeHead(200, { "Cache-Control": "max-age=600" }).end("page");
    });
    expect(await interimsOf(larder.port, `${origin.url}/page`)).toEqual([102, 103]);
    expect(await interimsOf(larder.port, `${origin.url}/page`)).toEqual([]);
    expect(origin.takeRequests()).toHaveLength(1);
  });
});
