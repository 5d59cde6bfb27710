import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { describe, expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { bytesHandler } from "../../support/files.ts";
import type { Handler } from "../../support/origin.ts";
import { declare, readAll, test } from "./leading.ts";

describe("what the store holds for others", () => {
  const body = randomBytes(100_000);
  const held = (bytes: number) => ({
    key: "GET http://origin.example/a.rpm",
    variant: "",
    realm: "mine",
    status: 200,
    fields: [],
    selecting: [],
    digest: digestOf(body),
    bytes,
    requestMs: 0,
    responseMs: 0,
    storedMs: 0,
  });

  test.for([
    ["a byte of it", bytesHandler(body)],
    [
      "all of it",
      (_: unknown, response: ServerResponse) => {
        response.writeHead(200, { "Content-Length": body.length }).end(body);
      },
    ],
  ] satisfies [string, Handler][])(
    "need not come again when the origin gives the requester %s",
    async ([_what, handler], { origin, lead, fills }) => {
      origin.serve("/a.rpm", handler);
      const fill = lead("/a.rpm", declare(body), { held: held(body.length) });
      expect(await fill.head).toMatchObject({ kind: "freshened", entry: { realm: "mine" } });
      await fills.idle();
      expect(origin.takeRequests()).toMatchObject([{ headers: { range: "bytes=0-0" } }]);
    },
  );

  test("comes again when the origin has something of another length", async ({ origin, lead }) => {
    origin.serve("/a.rpm", bytesHandler(body));
    const fill = lead("/a.rpm", declare(body), { held: held(body.length + 1) });
    expect((await readAll(fill.openReader())).equals(body)).toBe(true);
    expect(origin.takeRequests()).toMatchObject([{ status: 206 }, { status: 200 }]);
  });

  test("is not given to a requester to whom the origin gives nothing", async ({ origin, lead }) => {
    origin.serve("/a.rpm", (_request, response) => void response.writeHead(403).end("no"));
    const fill = lead("/a.rpm", declare(body), { held: held(body.length) });
    expect(await fill.head).toMatchObject({ kind: "pass" });
    expect(fill.takeResponse()?.head.status).toBe(403);
  });
});
