import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { get } from "../support/client.ts";
import { spoiled } from "../support/faults.ts";
import { bytesHandler } from "../support/files.ts";
import { noise } from "../support/noise.ts";
import { test as base } from "./workbench.ts";

const PAGE = "/simple/larder-wheel/";
const WHEEL = "/files/larder_wheel-1.0-py3-none-any.whl";
const body = noise("wheel", 50_000);
const page = `<!DOCTYPE html><html><body><a href="${WHEEL}#sha256=${digestOf(body)}">wheel</a></body></html>`;
const PRIVATE = { Authorization: "Basic bWU6bXk=" };

const test = base
  .extend("larder", ({ startLarder }) => startLarder())
  /** Publishes the page as nobody may store it, and the wheel as the test wants it. */
  .extend("publish", ({ origin }) => (wheel: Buffer, cacheControl = "no-store") => {
    const fields = { "Content-Type": "text/html", "Cache-Control": cacheControl };
    origin.serve(PAGE, bytesHandler(Buffer.from(page), fields));
    origin.serve(WHEEL, bytesHandler(wheel, { "Cache-Control": "no-store" }));
  });

describe.for(["no-store", "private"])("a root that is %s", (cacheControl) => {
  test("is not stored, and what it names is held to it, once", async ({ larder, origin, publish }) => {
    publish(body, cacheControl);
    for (const _ of ["cold", "again"]) {
      expect((await get(larder, origin.url + PAGE)).body.toString()).toBe(page);
      expect((await get(larder, origin.url + WHEEL)).body.equals(body)).toBe(true);
    }
    expect(larder.store.list({ limit: 9 }).map(({ uri }) => uri)).toEqual([origin.url + WHEEL]);
    expect(origin.takeRequests().map(({ path }) => path)).toEqual([PAGE, WHEEL, PAGE]);
  });

  test("in a coding is read, too", async ({ larder, origin, publish }) => {
    publish(spoiled(body), cacheControl);
    const fields = { "Content-Type": "text/html", "Cache-Control": cacheControl, "Content-Encoding": "gzip" };
    origin.serve(PAGE, bytesHandler(gzipSync(page), fields));
    const answer = await get(larder, origin.url + PAGE, { "Accept-Encoding": "gzip" });
    expect(gunzipSync(answer.body).toString()).toBe(page);
    expect(await get(larder, origin.url + WHEEL)).toMatchObject({ status: 502 });
  });

  test("lets nothing else pass for what it names", async ({ larder, origin, publish }) => {
    publish(spoiled(body), cacheControl);
    await get(larder, origin.url + PAGE);
    expect(await get(larder, origin.url + WHEEL)).toMatchObject({ status: 502 });
  });

  test("says nothing to those who bring other credentials, or none", async ({ larder, origin, publish }) => {
    publish(spoiled(body), cacheControl);
    await get(larder, origin.url + PAGE, PRIVATE);
    expect(await get(larder, origin.url + WHEEL, PRIVATE)).toMatchObject({ status: 502 });
    expect(await get(larder, origin.url + WHEEL)).toMatchObject({ status: 200 });
  });
});
