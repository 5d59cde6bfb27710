import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { get } from "../support/client.ts";
import { test } from "../support/fixtures.ts";
import { noise } from "../support/noise.ts";

const SOON = { timeout: 20_000 };

test("staging that somebody deletes in mid-fill costs the client nothing, and the next fill is stored", async ({
  larder,
  origin,
}) => {
  const body = noise("deleted staging", 6_000_000);
  let finish: () => void = () => undefined;
  const rest = new Promise<void>((resolve) => {
    finish = resolve;
  });
  origin.serve("/body", async (_, response) => {
    response.writeHead(200, { "Content-Length": body.length, "Cache-Control": "max-age=600", ETag: '"one"' });
    response.write(body.subarray(0, 3_000_000));
    await rest;
    response.end(body.subarray(3_000_000));
  });
  const staging = join(larder.folder, "cache/larder/staging");
  const begun = get(larder, `${origin.url}/body`);
  await vi.waitFor(async () => expect(await larder.counters()).toMatchObject({ fillsUnderWay: 1 }), SOON);
  await rm(staging, { recursive: true });
  finish();
  const answer = await begun;
  expect(answer.isWhole && answer.body.equals(body)).toBe(true);
  expect((await get(larder, `${origin.url}/body`)).body.equals(body)).toBe(true);
  await vi.waitFor(async () => expect(await larder.stored("/body")).toMatchObject([{ digest: digestOf(body) }]), SOON);
  expect((await stat(staging)).isDirectory()).toBe(true);
});
