import { randomBytes } from "node:crypto";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { describe, expect } from "vitest";
import { spoiled } from "../../support/faults.ts";
import { declare, readAll, readUntilFault, test } from "./leading.ts";

describe("a declared body in a coding that nobody asked for", () => {
  const body = Buffer.from("of the same again and again\n".repeat(10_000));
  test.for([
    ["gzip", gzipSync],
    ["x-gzip", gzipSync],
    ["br", brotliCompressSync],
    ["deflate", deflateSync],
  ] as const)(
    "%s is undone where that makes it what is declared",
    async ([coding, encode], { origin, lead, fills, entriesOf }) => {
      const coded = encode(body);
      const fields = { "Content-Encoding": coding, "Content-Length": coded.length, ETag: '"coded"' };
      origin.serve("/a.rpm", (_request, response) => void response.writeHead(200, fields).end(coded));
      const fill = lead("/a.rpm", declare(body));
      expect((await readAll(fill.openReader())).equals(body)).toBe(true);
      await fills.idle();
      const [entry] = entriesOf("/a.rpm");
      expect(entry).toMatchObject({ digest: declare(body).digest, bytes: body.length });
      expect(entry?.fields.map((field) => field.toLowerCase())).not.toContain("content-encoding");
      expect(entry?.fields).not.toContain('"coded"');
    },
  );

  test("is taken as it was sent where that is what is declared", async ({ origin, lead }) => {
    const coded = gzipSync(body);
    const fields = { "Content-Encoding": "x-gzip" };
    origin.serve("/a.tar.gz", (_request, response) => void response.writeHead(200, fields).end(coded));
    expect((await readAll(lead("/a.tar.gz", declare(coded)).openReader())).equals(coded)).toBe(true);
  });

  test.for([
    ["corrupt", () => Buffer.concat([gzipSync(body).subarray(0, 100), randomBytes(100)])],
    ["of other bytes", () => gzipSync(spoiled(body))],
    ["far longer than declared", () => gzipSync(Buffer.alloc(50_000_000))],
  ] as const)("is a mismatch when it is %s", async ([_what, make], { origin, lead, fills, entriesOf }) => {
    const coded = make();
    origin.serve("/a.rpm", (_request, response) => {
      response.writeHead(200, { "Content-Encoding": "gzip", "Content-Length": coded.length }).end(coded);
    });
    const { bytes, code } = await readUntilFault(lead("/a.rpm", declare(body)).openReader());
    expect(bytes).toBe(0);
    expect(String(code)).toMatch(/_MISMATCH$/);
    await fills.idle();
    expect(entriesOf("/a.rpm")).toEqual([]);
  });
});
