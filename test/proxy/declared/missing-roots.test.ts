import { describe, expect } from "vitest";
import { HandClock } from "../../storage/workbench.ts";
import { get } from "../../support/client.ts";
import type { Handler } from "../../support/origin.ts";
import { test as base } from "../workbench.ts";

const NARINFO = `/${"0".repeat(32)}.narinfo`;
const says =
  (status: number, fields: Record<string, string> = {}): Handler =>
  (_, response) =>
    void response.writeHead(status, fields).end(`${status}`);

const test = base
  .extend("clock", () => new HandClock())
  .extend("larder", ({ startLarder, clock }) => startLarder({ clock: clock.read }));

describe.for([NARINFO, "/nix-cache-info", "/realisations/sha256:0a1b!out.doi"])("that there is no %s", (path) => {
  test("is believed for ten seconds, then asked again", async ({ larder, origin, clock }) => {
    origin.serve(path, says(404));
    const ask = async (): Promise<number> => (await get(larder, origin.url + path)).status;
    expect(await ask()).toBe(404);
    clock.advance(9_000);
    origin.serve(path, says(200));
    expect(await ask()).toBe(404);
    expect(origin.takeRequests()).toHaveLength(1);
    clock.advance(2_000);
    expect(await ask()).toBe(200);
    expect(origin.takeRequests()).toHaveLength(1);
  });

  test("holds while the origin cannot answer, so that the client goes on to the next cache", async ({
    larder,
    origin,
    clock,
  }) => {
    origin.serve(path, says(404));
    await get(larder, origin.url + path);
    clock.advance(3_600_000);
    origin.serve(path, says(503));
    const refused = await get(larder, origin.url + path);
    expect(refused).toMatchObject({ status: 404, headers: { "cache-status": expect.stringContaining("status-503") } });
    origin.serve(path, (request) => void request.socket.destroy());
    expect(await get(larder, origin.url + path)).toMatchObject({ status: 404 });
    origin.serve(path, says(200));
    expect(await get(larder, origin.url + path)).toMatchObject({ status: 200 });
  });
});

test("an origin that says for how long there is none is believed where that is shorter", async ({
  larder,
  origin,
  clock,
}) => {
  origin.serve(NARINFO, says(404, { "Cache-Control": "max-age=2" }));
  await get(larder, origin.url + NARINFO);
  clock.advance(3_000);
  await get(larder, origin.url + NARINFO);
  origin.serve(NARINFO, says(404, { "Cache-Control": "max-age=3600" }));
  clock.advance(3_000);
  for (const _ of ["asked", "believed"]) await get(larder, origin.url + NARINFO);
  clock.advance(11_000);
  await get(larder, origin.url + NARINFO);
  expect(origin.takeRequests()).toHaveLength(4);
});

test("who asks with credentials is believed to have been told for all who bring the same, and nobody else", async ({
  larder,
  origin,
}) => {
  origin.serve(NARINFO, says(404));
  const ask = (fields = {}) => get(larder, origin.url + NARINFO, fields);
  for (const _ of ["asked", "believed"]) await ask({ Authorization: "Basic bWU6bXk=" });
  expect(origin.takeRequests()).toHaveLength(1);
  await ask({ Authorization: "Basic eW91OnlvdXI=" });
  await ask();
  expect(origin.takeRequests()).toHaveLength(2);
});
