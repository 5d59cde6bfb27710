import { createHash, randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { describe, expect } from "vitest";
import { declare, readAll, readUntilFault, test } from "./leading.ts";

const TAIL = 64 * 1024;

describe("a fill", () => {
  test("brings the bytes to every reader and into the store, with one request", async ({
    origin,
    lead,
    fills,
    entriesOf,
  }) => {
    const body = randomBytes(3_000_000);
    origin.serve(
      "/a.rpm",
      (_request, response) => void response.writeHead(200, { "Content-Length": body.length }).end(body),
    );
    const fill = lead("/a.rpm");
    const readers = Array.from({ length: 5 }, () => fill.openReader());
    expect((await Promise.all(readers.map(readAll))).every((read) => read.equals(body))).toBe(true);
    await fills.idle();
    expect(entriesOf("/a.rpm")).toMatchObject([{ digest: declare(body).digest, bytes: body.length }]);
    expect(origin.takeRequests()).toHaveLength(1);
  });

  test("holds the tail of a declared body until its digest is verified", async ({ origin, lead }) => {
    const body = randomBytes(300_000);
    let rest: ServerResponse | undefined;
    origin.serve("/a.rpm", (_request, response) => {
      response.writeHead(200, { "Content-Length": body.length }).write(body.subarray(0, -1));
      rest = response;
    });
    const fill = lead("/a.rpm", declare(body));
    const reader = fill.openReader();
    while (reader.position < body.length - TAIL) await reader.next();
    while (fill.originBytes < body.length - 1) await new Promise(setImmediate);
    expect(reader.position).toBe(body.length - TAIL);
    rest?.end(body.subarray(-1));
    expect((await readAll(reader)).length).toBe(TAIL);
  });

  test("lets nothing of a small declared body out before it is verified", async ({ origin, lead }) => {
    const body = randomBytes(1_000);
    origin.serve("/a.rpm", (_request, response) => void response.writeHead(200).end(randomBytes(1_000)));
    const fill = lead("/a.rpm", declare(body));
    expect(await readUntilFault(fill.openReader())).toEqual({ bytes: 0, code: "DIGEST_MISMATCH" });
  });

  test.for([
    ["with its length announced", true],
    ["without an announced length", false],
  ])(
    "never completes a body that is not what was declared, and never stores it: %s",
    async ([_how, isAnnounced], { origin, lead, fills, entriesOf }) => {
      const body = randomBytes(300_000);
      const poisoned = Buffer.from(body);
      poisoned[7] = (poisoned[7] ?? 0) ^ 1;
      origin.serve("/a.rpm", (_request, response) => {
        response.writeHead(200, isAnnounced ? { "Content-Length": body.length } : {}).end(poisoned);
      });
      const fill = lead("/a.rpm", declare(body));
      const { bytes, code } = await readUntilFault(fill.openReader());
      expect(code).toBe("DIGEST_MISMATCH");
      expect(bytes).toBeLessThanOrEqual(body.length - TAIL);
      await fills.idle();
      expect(entriesOf("/a.rpm")).toEqual([]);
    },
  );

  test("checks a sha512 declaration too", async ({ origin, lead }) => {
    const body = randomBytes(100_000);
    const digest = createHash("sha512").update(body).digest("hex");
    origin.serve("/good.deb", (_request, response) => void response.writeHead(200).end(body));
    origin.serve("/bad.deb", (_request, response) => void response.writeHead(200).end(randomBytes(100_000)));
    const declared = declare(body, { algorithm: "sha512", digest });
    expect((await readAll(lead("/good.deb", declared).openReader())).equals(body)).toBe(true);
    expect(await readUntilFault(lead("/bad.deb", declared).openReader())).toMatchObject({ code: "DIGEST_MISMATCH" });
  });

  test("refuses a length that differs from the declared one before the first byte", async ({ origin, lead }) => {
    origin.serve(
      "/a.rpm",
      (_request, response) => void response.writeHead(200, { "Content-Length": 12 }).end("twelve bytes"),
    );
    const fill = lead("/a.rpm", declare(Buffer.from("thirteen bytes")));
    await expect(fill.head).rejects.toMatchObject({ code: "SIZE_MISMATCH" });
  });

  test("stops reading an endless body once it is longer than declared", async ({ origin, lead }) => {
    const body = randomBytes(200_000);
    const gone = new Promise<void>((resolve) => {
      origin.serve("/a.rpm", (_request, response) => {
        const writeMore = (error?: Error | null): void => {
          if (!error) response.write(body, writeMore);
        };
        response.once("close", resolve);
        writeMore();
      });
    });
    const fill = lead("/a.rpm", declare(body));
    expect(await readUntilFault(fill.openReader())).toMatchObject({ code: "SIZE_MISMATCH" });
    await gone;
  });

  test("goes on when its first reader leaves, and when a reader does not read", async ({
    origin,
    lead,
    fills,
    entriesOf,
  }) => {
    const body = randomBytes(5_000_000);
    origin.serve(
      "/a.rpm",
      (_request, response) => void response.writeHead(200, { "Content-Length": body.length }).end(body),
    );
    const fill = lead("/a.rpm");
    const leaving = fill.openReader();
    const idle = fill.openReader();
    await leaving.next();
    leaving.close();
    await fills.idle();
    expect(entriesOf("/a.rpm")).toHaveLength(1);
    expect((await readAll(idle)).equals(body)).toBe(true);
  });
});

describe("a declared body that is nowhere", () => {
  test("is answered as the place does that was asked for itself, whatever its mirrors say", async ({
    origin,
    lead,
  }) => {
    const body = randomBytes(1_000);
    origin.serve("/a.rpm", (_request, response) => void response.writeHead(410).end("gone"));
    origin.serve("/b.rpm", (_request, response) => void response.writeHead(403).end("never seen"));
    const fill = lead("/a.rpm", declare(body), { elsewhere: ["/b.rpm"] });
    expect(await fill.head).toMatchObject({ kind: "pass" });
    const response = fill.takeResponse();
    expect(response?.head.status).toBe(410);
    expect(await response?.body.toArray()).toEqual([Buffer.from("gone")]);
  });
});
