import { describe, expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { get } from "../../support/client.ts";
import { spoiled } from "../../support/faults.ts";
import { bytesHandler, type Fields } from "../../support/files.ts";
import { noise } from "../../support/noise.ts";
import type { Handler } from "../../support/origin.ts";
import { test as base } from "../workbench.ts";

const PAGE = "/simple/larder-wheel/";
const WHEEL = "/files/larder_wheel-1.0-py3-none-any.whl";
const BYTES = 30_000;
const body = noise("wheel", BYTES);
const wrong = spoiled(body);
/** It does not tell how long the wheel is. */
const page = Buffer.from(`<!DOCTYPE html><html><body><a href="${WHEEL}#sha256=${digestOf(body)}">a</a></body></html>`);

const test = base
  .extend("larder", ({ startLarder }) => startLarder())
  /** What a client of the wheel gets when its origin answers so, once the page is known. */
  .extend("take", ({ larder, origin }) => async (handler: Handler, fields: Fields = {}) => {
    origin.serve(PAGE, bytesHandler(page, { "Content-Type": "text/html", "Cache-Control": "max-age=600" }));
    origin.serve(WHEEL, handler);
    await get(larder, origin.url + PAGE);
    return await get(larder, origin.url + WHEEL, fields);
  });

/** The whole of these bytes under any status, without a word about how many they are. */
function answers(status: number, bytes: Buffer, fields: Fields = {}): Handler {
  return (_, response) => void response.writeHead(status, fields).end(bytes);
}

const partOf = (first: number, last: number, total: number): Fields => ({
  "Content-Range": `bytes ${first}-${last}/${total}`,
});

describe("a declared file", () => {
  test.for([203, 204, 226, 299, 300, 304])(
    "is not what its origin sends under status %i",
    async (status, { take, larder, origin }) => {
      expect(await take(answers(status, wrong))).toMatchObject({ status: 502, isWhole: true });
      expect(larder.store.list({ limit: 9 }).map(({ uri }) => uri)).toEqual([origin.url + PAGE]);
    },
  );

  test.for(["bytes=100-199", "bytes=-100", "bytes=0-29999"])(
    "whose length nobody tells is verified whole when its origin knows no ranges: %s",
    async (Range, { take, larder }) => {
      expect(await take(answers(200, wrong), { Range })).toMatchObject({ status: 502 });
      expect(larder.store.list({ limit: 9 })).toHaveLength(1);
    },
  );

  test.for([
    ["all of it", partOf(0, BYTES - 1, BYTES), wrong],
    ["another part", partOf(0, 99, BYTES), wrong.subarray(0, 100)],
    ["nobody says which part", {}, wrong.subarray(0, 100)],
  ] as const)(
    "is not given by a part that is not the one that was asked for: %s",
    async ([, fields, part], { take }) => {
      const handler: Handler = (request, response) =>
        request.headers.range === undefined
          ? answers(200, wrong)(request, response)
          : answers(206, part, fields)(request, response);
      expect(await take(handler, { Range: "bytes=100-199" })).toMatchObject({ status: 502 });
    },
  );

  test("passes by the part that was asked for, marked so, where nobody tells how long it is", async ({ take }) => {
    const handler: Handler = (request, response) =>
      request.headers.range === undefined
        ? answers(200, body)(request, response)
        : answers(206, body.subarray(100, 200), partOf(100, 199, BYTES))(request, response);
    const answer = await take(handler, { Range: "bytes=100-199" });
    expect(answer).toMatchObject({ status: 206, body: body.subarray(100, 200) });
    expect(answer.headers["cache-status"]).toContain("detail=unverified-range");
  });
});
