import { once } from "node:events";
import { mkdir, open as openFile, rm } from "node:fs/promises";
import http, { type ServerResponse } from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect } from "vitest";
import { mountTmpfs } from "../../storage/tmpfs.ts";
import { get, open } from "../../support/client.ts";
import { noise } from "../../support/noise.ts";
import { test } from "../workbench.ts";

const MIB = 1024 * 1024;

/** Answers of an origin that come when the test says so. */
class Waiting {
  readonly responses: ServerResponse[] = [];
  #changed: () => void = () => undefined;

  readonly handler = (_: unknown, response: ServerResponse): void => {
    this.responses.push(response);
    this.#changed();
  };

  async until(count: number): Promise<readonly ServerResponse[]> {
    while (this.responses.length < count) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    return this.responses;
  }
}

describe("a place whose answer cannot be stored", () => {
  test("is asked for by each client at once, none waiting for another's answer", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/now", (_, response) => void response.writeHead(200, { "Cache-Control": "no-store" }).end("now"));
    await get(larder, `${origin.url}/now`);
    const waiting = new Waiting();
    origin.serve("/now", waiting.handler);
    const answers = [1, 2, 3].map(() => get(larder, `${origin.url}/now`));
    const responses = await waiting.until(3);
    for (const [i, response] of responses.entries())
      response.writeHead(200, { "Cache-Control": "no-store" }).end(`${i}`);
    const bodies = (await Promise.all(answers)).map(({ body }) => String(body));
    expect(bodies.sort()).toEqual(["0", "1", "2"]);
    expect((await answers[0])?.headers["cache-status"]).toContain("detail=unstorable");
  });

  test("is one place only: others are still shared, and so is one that failed", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/late.rpm", (_, response) => void response.writeHead(404, { "Cache-Control": "no-store" }).end());
    expect((await get(larder, `${origin.url}/late.rpm`)).status).toBe(404);
    const body = noise("late", 1000);
    origin.serve("/late.rpm", (_, response) => void response.writeHead(200, { ETag: '"1"' }).end(body));
    expect((await get(larder, `${origin.url}/late.rpm`)).headers["cache-status"]).toContain("stored");
  });

  test("sends those who waited for the first answer to the origin, and says so of none that it was shared", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    const waiting = new Waiting();
    origin.serve("/now", waiting.handler);
    const first = get(larder, `${origin.url}/now`);
    await waiting.until(1);
    const second = get(larder, `${origin.url}/now`);
    // An exchange later the second has long been read, and waits with the first.
    expect((await get(larder, `http://127.0.0.1:${larder.port}/`)).status).toBe(508);
    waiting.responses[0]?.writeHead(200, { "Cache-Control": "no-store" }).end("first");
    const responses = await waiting.until(2);
    responses[1]?.writeHead(200, { "Cache-Control": "no-store" }).end("second");
    expect([String((await first).body), String((await second).body)]).toEqual(["first", "second"]);
    expect((await second).headers["cache-status"]).not.toContain("collapsed");
  });
});

describe("a fill", () => {
  test("goes on for the others when one client after another leaves", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const body = noise("shared", 8 * MIB);
    const waiting = new Waiting();
    origin.serve("/a.deb", waiting.handler);
    const readers = [1, 2, 3].map(() => open(larder, `${origin.url}/a.deb`));
    const [response] = await waiting.until(1);
    response?.writeHead(200, { "Content-Length": body.length, ETag: '"1"' });
    response?.write(body.subarray(0, MIB));
    const [leader, follower, last] = await Promise.all(readers);
    leader?.destroy();
    await once(follower as NodeJS.ReadableStream, "data");
    follower?.destroy();
    response?.end(body.subarray(MIB));
    const chunks: Buffer[] = [];
    for await (const chunk of last as AsyncIterable<Buffer>) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(body)).toBe(true);
    expect(origin.takeRequests()).toHaveLength(1);
  });

  test("gives each client the variant that it asked for", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/page", (request, response) => {
      const fields = { Vary: "Accept-Language", "Cache-Control": "max-age=60" };
      response.writeHead(200, fields).end(String(request.headers["accept-language"]));
    });
    const languages = ["de", "en", "fr", "de"];
    const answers = await Promise.all(
      languages.map((language) => get(larder, `${origin.url}/page`, { "Accept-Language": language })),
    );
    expect(answers.map(({ body }) => String(body))).toEqual(languages);
  });

  test("that nobody can wait for is cancelled when larder ends", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const waiting = new Waiting();
    origin.serve("/never.deb", waiting.handler);
    const answer = open(larder, `${origin.url}/never.deb`).catch(() => "cut");
    const [response] = await waiting.until(1);
    const gone = once(response as ServerResponse, "close");
    await larder.proxy.close({ drainMs: 0 });
    expect(await answer).toBe("cut");
    await gone;
  });

  test("may turn out unstorable when its client has gone: larder goes on", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const waiting = new Waiting();
    origin.serve("/private", waiting.handler);
    const controller = new AbortController();
    const asked = fetchThrough(larder.port, `${origin.url}/private`, controller.signal);
    const [response] = await waiting.until(1);
    controller.abort();
    await asked;
    await larder.logged("exchange");
    const gone = once(response as ServerResponse, "close");
    response?.writeHead(200, { "Cache-Control": "no-store", "Content-Length": 100_000 }).write("a part");
    await gone;
    origin.serve("/private", (_, next) => void next.end("still here"));
    expect(String((await get(larder, `${origin.url}/private`)).body)).toBe("still here");
  });

  test("leaves no event when its client went away before the answer, and one line", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const waiting = new Waiting();
    origin.serve("/slow?token=secret", waiting.handler);
    const controller = new AbortController();
    const asked = fetchThrough(larder.port, `${origin.url}/slow?token=secret`, controller.signal);
    await waiting.until(1);
    controller.abort();
    await asked;
    const line = await larder.logged("exchange");
    expect(line.facts).toMatchObject({ status: undefined, whole: false });
    expect(larder.events).toEqual([]);
    expect(JSON.stringify(larder.log)).not.toContain("secret");
  });
});

describe("with a disk that is full", () => {
  test.for([
    ["a payload", "/pool/large.deb", 12 * MIB],
    ["a root", "/dists/stable/InRelease", 100_000],
    ["a root that memory does not hold", "/dists/stable/InRelease", 12 * MIB],
    ["something small", "/small.deb", 1_000],
  ] as const)("%s reaches every client all the same", async ([, path, bytes], { folder, origin, startLarder }) => {
    const place = join(folder, "full");
    await mkdir(place);
    const disk = await mountTmpfs(place, 4 * MIB);
    const larder = await startLarder({ rootDir: join(disk.folder, "root") });
    try {
      await fillUp(join(disk.folder, "ballast"));
      const body = noise(path, bytes);
      origin.serve(path, (_, response) => {
        response.writeHead(200, { "Content-Length": body.length, ETag: '"1"' }).end(body);
      });
      const answers = await Promise.all([1, 2, 3].map(() => get(larder, origin.url + path)));
      expect(answers.map((answer) => answer.isWhole && answer.body.equals(body))).toEqual([true, true, true]);
    } finally {
      await rm(join(disk.folder, "ballast"));
      await larder.stop();
      await disk.unmount();
    }
  });
});

/** Writes until the disk holds no byte more. */
async function fillUp(path: string): Promise<void> {
  const file = await openFile(path, "w");
  try {
    for (;;) await file.write(Buffer.alloc(4096));
  } catch (error) {
    expect(error).toMatchObject({ code: "ENOSPC" });
  } finally {
    await file.close();
  }
}

describe("a root that is stored gzipped", () => {
  test.for([
    ["gzip", "gzip"],
    ["identity", undefined],
  ])(
    "goes out as a client of %s wants it, and says that it depends on that",
    async ([wanted, coding], { origin, startLarder }) => {
      const larder = await startLarder();
      const page = `<a href="left-pad-1.0.tar.gz">left-pad</a>${" ".repeat(2000)}`;
      origin.serve("/simple/left-pad/", (_, response) => {
        response.writeHead(200, { "Content-Encoding": "gzip", "Content-Type": "text/html" }).end(gzipSync(page));
      });
      for (let i = 0; i < 2; i++) {
        const answer = await get(larder, `${origin.url}/simple/left-pad/`, { "Accept-Encoding": wanted });
        expect(answer.headers).toMatchObject({ vary: "Accept-Encoding" });
        expect(answer.headers["content-encoding"]).toBe(coding);
        expect(answer.body.equals(coding === "gzip" ? gzipSync(page) : Buffer.from(page))).toBe(true);
      }
    },
  );
});

/** Asks through the proxy until the signal comes, and leaves by a reset: an end alone might still wait for the answer. */
async function fetchThrough(port: number, url: string, signal: AbortSignal): Promise<void> {
  const asked = http.request({ port, path: url, headers: { Host: new URL(url).host }, agent: false });
  asked.on("error", () => undefined).end();
  signal.addEventListener("abort", () => asked.socket?.resetAndDestroy());
  await once(asked, "close").catch(() => undefined);
}
