import { EventEmitter, once } from "node:events";
import { expect } from "vitest";
import { open } from "../support/client.ts";
import { test } from "../support/fixtures.ts";
import { noise } from "../support/noise.ts";

const CLIENTS = 200;
const BODY = noise("collapse", 50 * 1024 * 1024);
const PATH = "/pool/large_1.0_all.deb";

test("200 clients on one cold object make one origin request and all get the right bytes", async ({
  larder,
  origin,
}) => {
  const clients = new EventEmitter();
  const everybodyAsked = once(clients, "all asked");
  origin.serve(PATH, async (_, response) => {
    response.writeHead(200, { "Content-Length": BODY.length, "Cache-Control": "max-age=3600" });
    response.write(BODY.subarray(0, 1024 * 1024));
    await everybodyAsked;
    response.end(BODY.subarray(1024 * 1024));
  });
  const answers = await Promise.all(Array.from({ length: CLIENTS }, () => open(larder, origin.url + PATH)));
  const bodies = Promise.all(answers.map(isTheBody));
  clients.emit("all asked");
  expect(await bodies).toEqual(answers.map(() => true));
  expect(origin.takeRequests()).toMatchObject([{ path: PATH, bodyBytes: BODY.length }]);
}, 300_000);

/** Whether exactly the object's bytes come, compared as they do: 200 bodies would not fit in memory. */
async function isTheBody(answer: NodeJS.ReadableStream): Promise<boolean> {
  let offset = 0;
  let isRight = true;
  answer.on("data", (chunk: Buffer) => {
    isRight &&= BODY.subarray(offset, offset + chunk.length).equals(chunk);
    offset += chunk.length;
  });
  await once(answer, "end");
  return isRight && offset === BODY.length;
}
