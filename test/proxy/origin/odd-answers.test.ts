import type net from "node:net";
import { describe, expect } from "vitest";
import { get, open } from "../../support/client.ts";
import { type RawAnswer, type RawOrigin, startRawOrigin } from "../../support/raw-origin.ts";
import { test as base } from "../workbench.ts";

const FRESH = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n";
const HALF = "x".repeat(50_000);
const PATHS = ["/a.bin", "/a-1-1.x86_64.rpm"];

const test = base.extend("startRaw", async ({ task: _ }, { onCleanup }) => {
  const started: RawOrigin[] = [];
  onCleanup(async () => {
    for (const origin of started) await origin.stop();
  });
  return async (answer: RawAnswer): Promise<RawOrigin> => {
    const origin = await startRawOrigin(answer);
    started.push(origin);
    return origin;
  };
});

/** Writes, and resets when that has arrived. */
function writeAndReset(socket: net.Socket, text: string): void {
  socket.write(text, "latin1", () => setTimeout(() => socket.resetAndDestroy(), 20));
}

describe("a body that ends with its connection", () => {
  test.for(["HTTP/1.1", "HTTP/1.0"])(
    "is whole after an orderly end, and cut after a reset: %s",
    async (version, { startLarder, startRaw }) => {
      const larder = await startLarder();
      const head = `${FRESH.replace("HTTP/1.1", version)}\r\n`;
      const origin = await startRaw((socket, asked) => {
        if (asked.startsWith("GET /whole")) socket.end(head + HALF);
        else writeAndReset(socket, head + HALF);
      });
      for (const path of PATHS) {
        expect(await get(larder, `${origin.url}${path}`)).toMatchObject({ status: 200, isWhole: false });
        expect(larder.store.find(`GET ${origin.url}${path}`)).toEqual([]);
      }
      const whole = await get(larder, `${origin.url}/whole`);
      expect(whole).toMatchObject({ status: 200, isWhole: true });
      expect(whole.body.toString()).toBe(HALF);
    },
  );
});

describe("interim answers without an end", () => {
  test.for(PATHS)("are given up: %s", async (path, { startLarder, startRaw }) => {
    const larder = await startLarder();
    const origin = await startRaw((socket) => {
      const timer = setInterval(() => socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(10)), 1);
      socket.once("close", () => clearInterval(timer));
    });
    const got = await get(larder, `${origin.url}${path}`);
    expect(got.status).toBe(502);
    expect(got.body.toString()).toMatch(/ORIGIN_PROTOCOL: .*interim/);
  });
});

describe("what nobody asked for", () => {
  test.for([
    ["a part", "206 Partial Content", "Content-Range: bytes 0-2/9\r\nContent-Length: 3\r\n\r\nabc"],
    ["that nothing has changed", "304 Not Modified", "\r\n"],
  ] as const)("is no success: %s", async ([, status, rest], { startLarder, startRaw }) => {
    const larder = await startLarder();
    const origin = await startRaw(
      (socket) => void socket.write(`HTTP/1.1 ${status}\r\nCache-Control: max-age=9\r\n${rest}`),
    );
    for (const path of PATHS) {
      const got = await get(larder, `${origin.url}${path}`);
      expect(got.status).toBe(502);
      expect(got.headers["cache-status"]).toMatch(/detail=ORIGIN_PROTOCOL$/);
      expect(larder.store.find(`GET ${origin.url}${path}`)).toEqual([]);
    }
  });
});

describe("an answer that has no content", () => {
  test.for(["Content-Length: 5\r\n\r\n", "Content-Length: 5\r\n\r\nabcde", "Transfer-Encoding: chunked\r\n\r\n"])(
    "is whole whatever length it tells of (RFC 9112 §6.3): %j",
    async (rest, { startLarder, startRaw }) => {
      const larder = await startLarder();
      const origin = await startRaw((socket, head) => {
        const isAsked = /if-none-match/i.test(head);
        const status = head.startsWith("GET /204") ? "204 No Content" : "304 Not Modified";
        if (isAsked || status.startsWith("204"))
          socket.write(`HTTP/1.1 ${status}\r\nCache-Control: no-store\r\n${rest}`);
        else socket.write("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 3\r\n\r\nabc");
      });
      expect(await get(larder, `${origin.url}/304`)).toMatchObject({ status: 200 });
      for (const _ of ["first", "again"]) {
        const empty = await get(larder, `${origin.url}/204`);
        expect(empty).toMatchObject({ status: 204, isWhole: true });
        expect(empty.headers["content-length"]).toBeUndefined();
        const unchanged = await get(larder, `${origin.url}/304`, { "If-None-Match": '"a"' });
        expect(unchanged).toMatchObject({ status: 304, isWhole: true });
      }
    },
  );

  test("tells of the length of what is stored in a 304, and freshens it", async ({ startLarder, startRaw }) => {
    const larder = await startLarder();
    const fields = 'Cache-Control: max-age=0\r\nETag: "a"\r\nContent-Length: 3\r\n\r\n';
    const origin = await startRaw((socket, head) => {
      const isAsked = /if-none-match/i.test(head);
      socket.write(`HTTP/1.1 ${isAsked ? "304 Not Modified" : "200 OK"}\r\n${fields}${isAsked ? "" : "abc"}`);
    });
    for (const status of [200, 304, 304]) {
      const got = await get(larder, `${origin.url}/a`);
      expect(got).toMatchObject({ status: 200, isWhole: true, body: Buffer.from("abc") });
      expect(got.headers["cache-status"]).toContain(`fwd-status=${status}`);
    }
  });
});

describe("an origin that hardly sends", () => {
  test.for(PATHS)(
    "is given up after a minute, however steadily its bytes come: %s",
    async (path, { startLarder, startRaw }) => {
      let nowMs = Date.now();
      const larder = await startLarder({ clock: () => nowMs });
      const origin = await startRaw((socket) => {
        socket.write(`${FRESH}Content-Length: 100000\r\n\r\n`);
        const timer = setInterval(() => {
          nowMs += 10_000;
          socket.write("x".repeat(900));
        }, 5);
        socket.once("close", () => clearInterval(timer));
      });
      const got = await get(larder, `${origin.url}${path}`);
      expect(got).toMatchObject({ status: 200, isWhole: false });
      const line = await larder.logged("exchange");
      expect(line.facts).toMatchObject({ code: "ORIGIN_BODY_TIMEOUT" });
    },
  );
});

describe("a 100 that nobody asked for (RFC 9110 §15.2)", () => {
  const answer = (text: string) =>
    `HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: ${text.length}\r\n\r\n${text}`;

  test.for([
    ["in one piece", 100_000],
    ["byte by byte", 1],
    ["in odd pieces", 7],
  ] as const)(
    "is read over, before each answer of a connection, and nowhere else: %s",
    async ([, pieceBytes], { startLarder, startRaw }) => {
      const larder = await startLarder();
      const content = "HTTP/1.1 100 Continue\r\n\r\n";
      const origin = await startRaw(async (socket) => {
        const bytes = `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Go\r\nX-A: b\r\n\r\n${answer(content)}`;
        for (let at = 0; at < bytes.length; at += pieceBytes) {
          socket.write(bytes.slice(at, at + pieceBytes));
          await new Promise(setImmediate);
        }
      });
      for (const path of [...PATHS, ...PATHS]) {
        const got = await get(larder, `${origin.url}${path}`);
        expect(got).toMatchObject({ status: 200, isWhole: true });
        expect(got.body.toString()).toBe(content);
        expect(got.headers["x-a"]).toBeUndefined();
      }
      expect(origin.heads.length).toBe(4);
    },
  );

  test("and no answer behind it ends in time", async ({ startLarder, startRaw }) => {
    const larder = await startLarder({ settings: { headersTimeoutMs: 500 } });
    const origin = await startRaw((socket) => {
      const timer = setInterval(() => socket.write("HTTP/1.1 100 Continue\r\n\r\n"), 20);
      socket.once("close", () => clearInterval(timer));
    });
    expect((await get(larder, `${origin.url}/a`)).status).toBe(504);
  });
});

describe("a body without a length that nobody reads any more", () => {
  test("is given up after ten minutes, and until then goes on", async ({ startLarder, startRaw }) => {
    let nowMs = Date.now();
    const larder = await startLarder({ clock: () => nowMs });
    let sent = 0;
    const isLetGo = new Promise<void>((resolve) => {
      void startRaw((socket) => {
        socket.write(`${FRESH}\r\n`);
        const timer = setInterval(() => {
          sent += 1;
          nowMs += 30_000;
          socket.write("x".repeat(6_000));
        }, 5);
        socket.once("close", () => {
          clearInterval(timer);
          resolve();
        });
      }).then(async (origin) => {
        const answer = await open(larder, `${origin.url}/events`);
        answer.destroy();
      });
    });
    await isLetGo;
    expect(sent).toBeGreaterThan(20);
    await expect.poll(() => larder.proxy.counters().fillsUnderWay).toBe(0);
  });
});
