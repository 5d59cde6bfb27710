import { readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { expect } from "vitest";
import { get, open } from "../support/client.ts";
import { test } from "../support/fixtures.ts";
import { noise } from "../support/noise.ts";

/** More than the buffers of every socket on the way hold. */
const BODY = noise("slow readers", 24 * 1024 * 1024);

/** Reads the answers chunk by chunk, by turns: while one is read the others stand still. */
async function readByTurns(answers: readonly IncomingMessage[]): Promise<Buffer[]> {
  const bodies: Buffer[][] = answers.map(() => []);
  const sources = answers.map((answer) => answer[Symbol.asyncIterator]() as AsyncIterator<Buffer>);
  const open = new Set(sources.keys());
  while (open.size > 0) {
    for (const index of open) {
      const step = await sources[index]?.next();
      if (step === undefined || step.done === true) open.delete(index);
      else bodies[index]?.push(step.value);
    }
  }
  return bodies.map((chunks) => Buffer.concat(chunks));
}

test("clients that often stand still get a stored body as it is, by plain http and by TLS", async ({
  larder,
  caFile,
  origin,
  secureOrigin,
}) => {
  const through = { port: larder.port, ca: await readFile(caFile, "utf8") };
  const fields = { "Cache-Control": "max-age=3600" };
  const urls: string[] = [];
  for (const site of [origin, secureOrigin]) {
    site.serve("/image.raw", (_, response) => void response.writeHead(200, fields).end(BODY));
    const url = `${site.url}/image.raw`;
    expect((await get(through, url)).body.equals(BODY)).toBe(true);
    urls.push(url, url);
  }
  const whole = await Promise.all(urls.map((url) => open(through, url)));
  const parts = await Promise.all(urls.map((url) => open(through, url, { Range: "bytes=5000001-9999999,12000000-" })));
  for (const answer of [...whole, ...parts]) expect(answer.headers["cache-status"]).toMatch(/; hit/);
  const bodies = await readByTurns([...whole, ...parts]);
  for (const body of bodies.slice(0, whole.length)) expect(body.equals(BODY)).toBe(true);
  for (const body of bodies.slice(whole.length)) {
    expect(body.includes(BODY.subarray(5_000_001, 10_000_000))).toBe(true);
    expect(body.includes(BODY.subarray(12_000_000))).toBe(true);
  }
  expect([origin.takeRequests().length, secureOrigin.takeRequests().length]).toEqual([1, 1]);
});
