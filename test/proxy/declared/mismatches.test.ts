import { describe, expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { HandClock } from "../../storage/workbench.ts";
import { get } from "../../support/client.ts";
import { spoiled } from "../../support/faults.ts";
import { bytesHandler } from "../../support/files.ts";
import { noise } from "../../support/noise.ts";
import { Origin } from "../../support/origin.ts";
import { type Bench, test as base } from "../workbench.ts";

const PAGE = "/simple/larder-wheel/";
const WHEEL = "/files/larder_wheel-1.0-py3-none-any.whl";
const SECOND_MS = 1_000;
/** Longer than what is held back. */
const body = noise("wheel", 200_000);
const page = Buffer.from(`<!DOCTYPE html><html><body><a href="${WHEEL}#sha256=${digestOf(body)}">a</a></body></html>`);
/** As a spoiler between larder and the origin leaves them: the same for wrong bytes and right ones. */
const SAME = { ETag: '"one"' };

const test = base
  .extend("clock", () => new HandClock())
  .extend("second", async ({ task: _ }, { onCleanup }) => {
    const second = await Origin.start();
    onCleanup(() => second.stop());
    return second;
  })
  .extend("larder", ({ startLarder, clock }) => startLarder({ clock: clock.read }))
  .extend("publish", () => (origin: Origin, wheel: Buffer) => {
    origin.serve(PAGE, bytesHandler(page, { "Content-Type": "text/html", "Cache-Control": "max-age=600" }));
    origin.serve(WHEEL, bytesHandler(wheel, SAME));
  });

const wheelsAsked = (origin: Origin): number => origin.takeRequests().filter(({ path }) => path === WHEEL).length;
const take = async (larder: Bench, origin: Origin) => {
  const { status, isWhole } = await get(larder, origin.url + WHEEL);
  return isWhole ? status : "cut";
};

describe("a place that gave wrong bytes", () => {
  test("is left alone for two seconds by who tries again and again, and right bytes are had at once after that", async ({
    larder,
    origin,
    publish,
    clock,
  }) => {
    publish(origin, spoiled(body));
    await get(larder, origin.url + PAGE);
    expect(await take(larder, origin)).toBe("cut");
    for (let times = 0; times < 10; times++) expect(await take(larder, origin)).toBe(502);
    expect(wheelsAsked(origin)).toBe(1);
    clock.advance(2 * SECOND_MS);
    expect(await take(larder, origin)).toBe("cut");
    publish(origin, body);
    clock.advance(2 * SECOND_MS);
    expect(await take(larder, origin)).toBe(200);
    expect(await take(larder, origin)).toBe(200);
    expect(wheelsAsked(origin)).toBe(2);
    expect(larder.proxy.counters()).toMatchObject({ mismatches: 2 });
  });

  test("is asked after all others for a minute, and by nobody while one of those is right", async ({
    larder,
    origin,
    second,
    publish,
    clock,
  }) => {
    publish(origin, spoiled(body));
    publish(second, body);
    await get(larder, origin.url + PAGE);
    expect(await take(larder, origin)).toBe("cut");
    await get(larder, second.url + PAGE);
    clock.advance(30 * SECOND_MS);
    expect(await take(larder, origin)).toBe(200);
    expect({ wrong: wheelsAsked(origin), right: wheelsAsked(second) }).toEqual({ wrong: 1, right: 1 });
  });

  test("is asked again when the others are not there", async ({ larder, origin, second, publish, clock }) => {
    publish(origin, spoiled(body));
    publish(second, body);
    for (const { url } of [origin, second]) await get(larder, url + PAGE);
    await second.stop();
    expect(await take(larder, origin)).toBe("cut");
    publish(origin, body);
    clock.advance(2 * SECOND_MS);
    expect(await take(larder, origin)).toBe(200);
  });
});
