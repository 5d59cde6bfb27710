import { expect } from "vitest";
import { get } from "../support/client.ts";
import { bytesHandler } from "../support/files.ts";
import { test } from "../support/fixtures.ts";
import { noise } from "../support/noise.ts";

const OBJECTS = 40;
const BODY = noise("at once", 300_000);

test("what has just been fetched is a hit at once: a part of it needs no origin", async ({ larder, origin }) => {
  for (let n = 0; n < OBJECTS; n++) {
    const path = `/files/thing-${n}`;
    origin.serve(path, bytesHandler(BODY, { "Cache-Control": "max-age=3600" }));
    const url = origin.url + path;
    expect(await get(larder, url)).toMatchObject({ status: 200, isWhole: true });
    const part = await get(larder, url, { Range: "bytes=1000-1999" });
    expect(part).toMatchObject({ status: 206, isWhole: true });
    expect(part.body.equals(BODY.subarray(1000, 2000))).toBe(true);
  }
  expect(origin.takeRequests().map(({ path }) => path)).toHaveLength(OBJECTS);
});
