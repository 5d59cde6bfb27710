import type { ServerResponse } from "node:http";
import net, { type Socket } from "node:net";
import { describe, expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { get } from "../../support/client.ts";
import { listenOnLoopback } from "../../support/listen.ts";
import { noise } from "../../support/noise.ts";
import { Origin } from "../../support/origin.ts";
import { test as base } from "../workbench.ts";

/** Short for the one that the test is about; the others stay long. */
const SHORT_MS = 1_200;
const BODY = noise("a wheel", 40_000);
const FILE = "flask-1.0-py3-none-any.whl";

const test = base
  .extend("mirror", async ({ task: _ }, { onCleanup }) => {
    const mirror = await Origin.start();
    onCleanup(() => mirror.stop());
    return mirror;
  })
  /** Takes connections and says nothing. @returns its port */
  .extend("silent", async ({ task: _ }, { onCleanup }) => {
    const sockets: Socket[] = [];
    const server = net.createServer((socket) => void sockets.push(socket.resume()));
    const port = await listenOnLoopback(server);
    onCleanup(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return port;
  });

/** Half of the body, and then nothing more. */
function pause(response: ServerResponse): void {
  response.writeHead(200, { "Content-Length": BODY.length, "Cache-Control": "max-age=60" });
  response.write(BODY.subarray(0, BODY.length / 2));
}

describe("an origin that takes too long", () => {
  test("to speak TLS is answered 504 ORIGIN_CONNECT_TIMEOUT", async ({ silent, startLarder }) => {
    const larder = await startLarder({ settings: { connectTimeoutMs: SHORT_MS } });
    const answer = await get({ port: larder.port, ca: larder.ca }, `https://127.0.0.1:${silent}/file`);
    expect([answer.status, answer.body.toString()]).toEqual([504, expect.stringContaining("ORIGIN_CONNECT_TIMEOUT")]);
  });

  test("to begin its answer is answered 504 ORIGIN_HEADERS_TIMEOUT", async ({ silent, startLarder }) => {
    const larder = await startLarder({ settings: { headersTimeoutMs: SHORT_MS } });
    const answer = await get(larder, `http://127.0.0.1:${silent}/file`);
    expect([answer.status, answer.body.toString()]).toEqual([504, expect.stringContaining("ORIGIN_HEADERS_TIMEOUT")]);
  });

  test("in mid-body has its client cut off, and nothing stored", async ({ origin, startLarder }) => {
    const larder = await startLarder({ settings: { bodyTimeoutMs: SHORT_MS } });
    origin.serve("/file", (_, response) => pause(response));
    const cut = await get(larder, `${origin.url}/file`);
    expect([cut.status, cut.isWhole, cut.body.length]).toEqual([200, false, BODY.length / 2]);
    expect((await larder.logged("exchange")).facts).toMatchObject({ code: "ORIGIN_BODY_TIMEOUT" });
    origin.serve("/file", (_, response) => void response.writeHead(200).end("another"));
    expect(String((await get(larder, `${origin.url}/file`)).body)).toBe("another");
  });

  test.for(["connecting", "headers", "body"] as const)(
    "by its %s costs a declared payload a wait, and no more where a mirror has it",
    async (kind, { origin, mirror, startLarder }) => {
      const larder = await startLarder({ settings: { headersTimeoutMs: SHORT_MS, bodyTimeoutMs: SHORT_MS } });
      const page = `<a href="/files/${FILE}#sha256=${digestOf(BODY)}">${FILE}</a>`;
      for (const place of [origin, mirror]) {
        place.serve("/simple/flask/", (_, response) => void response.setHeader("Content-Type", "text/html").end(page));
        await get(larder, `${place.url}/simple/flask/`);
      }
      mirror.serve(`/files/${FILE}`, (_, response) => void response.end(BODY));
      origin.serve(`/files/${FILE}`, (_, response) => (kind === "body" ? pause(response) : undefined));
      if (kind === "connecting") await origin.stop();
      const answer = await get(larder, `${origin.url}/files/${FILE}`);
      expect([answer.status, answer.isWhole, answer.body.equals(BODY)]).toEqual([200, true, true]);
      const again = await get(larder, `${origin.url}/files/${FILE}`);
      expect(again.headers["cache-status"]).toContain("; hit");
    },
  );
});

describe("fills of one origin beyond the bound", () => {
  test("wait, in the order in which they came, and hold up no other origin", async ({
    origin,
    mirror,
    startLarder,
  }) => {
    const larder = await startLarder({ settings: { fillsPerOrigin: 2 } });
    const waiting: ServerResponse[] = [];
    origin.serve("/", (_, response) => void waiting.push(response));
    mirror.serve("/", (_, response) => void response.end("here"));
    const paths = ["/1", "/2", "/3", "/4", "/5"];
    const asked = () => origin.takeRequests().map(({ path }) => path);
    const answers: Promise<unknown>[] = [];
    for (const path of paths) {
      const arrival = path <= "/2" ? origin.arrival(path) : undefined;
      answers.push(get(larder, origin.url + path));
      // Those that have to wait are known to be there when another exchange has ended that came after them.
      await (arrival ?? get(larder, `${mirror.url}${path}`));
    }
    expect(asked()).toEqual(["/1", "/2"]);
    for (const path of ["/3", "/4", "/5"]) {
      const arrival = origin.arrival(path);
      waiting.shift()?.end("done");
      await arrival;
      expect(asked()).toEqual([path]);
    }
    for (const response of waiting) response.end("done");
    expect(await Promise.all(answers)).toMatchObject(paths.map(() => ({ status: 200, isWhole: true })));
  });
});
