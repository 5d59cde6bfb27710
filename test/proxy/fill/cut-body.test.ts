import { randomBytes } from "node:crypto";
import { beforeEach, describe, expect } from "vitest";
import type { FillOrder } from "../../../proxy/fill/fill-order.ts";
import { spoiled } from "../../support/faults.ts";
import { bytesHandler } from "../../support/files.ts";
import type { Handler } from "../../support/origin.ts";
import { declare, readAll, readUntilFault, test } from "./leading.ts";

describe("a cut body", () => {
  test("ends in ORIGIN_CUT when the origin is cut and nothing tells what the rest would be", async ({
    origin,
    lead,
    fills,
    entriesOf,
  }) => {
    const body = randomBytes(300_000);
    origin.serve("/a.rpm", (_request, response) => {
      response.writeHead(200, { "Content-Length": body.length });
      response.write(body.subarray(0, 200_000), () => response.destroy());
    });
    const { code } = await readUntilFault(lead("/a.rpm").openReader());
    expect(code).toBe("ORIGIN_CUT");
    await fills.idle();
    expect(entriesOf("/a.rpm")).toEqual([]);
    expect(origin.takeRequests()).toHaveLength(1);
  });

  test.for([
    ["a strong validator", { ETag: '"v1"' }, false],
    ["a declared digest", {}, true],
  ] as const)(
    "continues a cut answer by %s: only the missing bytes are asked for",
    async ([_why, validator, isDeclared], { origin, lead }) => {
      const body = randomBytes(300_000);
      origin.serve("/a.rpm", (request, response) => {
        const first = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
        const headers = { ...validator, "Content-Length": body.length - first };
        if (first > 0) {
          const range = { "Content-Range": `bytes ${first}-${body.length - 1}/${body.length}` };
          response.writeHead(206, { ...headers, ...range }).end(body.subarray(first));
          return;
        }
        response.writeHead(200, headers);
        response.write(body.subarray(0, 200_000), () => response.destroy());
      });
      const fill = lead("/a.rpm", isDeclared ? declare(body) : undefined);
      expect((await readAll(fill.openReader())).equals(body)).toBe(true);
      const [, second] = origin.takeRequests();
      expect(Number(/\d+/.exec(second?.headers.range ?? "")?.[0])).toBeGreaterThan(0);
    },
  );

  test("does not splice the rest of another version onto a cut answer", async ({ origin, lead }) => {
    let version = 0;
    origin.serve("/a.rpm", (request, response) => {
      version += 1;
      const body = randomBytes(300_000);
      const first = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      if (first > 0) {
        const range = `bytes ${first}-${body.length - 1}/${body.length}`;
        response.writeHead(206, { ETag: `"v${version}"`, "Content-Range": range }).end(body.subarray(first));
        return;
      }
      response.writeHead(200, { ETag: `"v${version}"`, "Content-Length": body.length });
      response.write(body.subarray(0, 200_000), () => response.destroy());
    });
    expect(await readUntilFault(lead("/a.rpm").openReader())).toMatchObject({ code: "ORIGIN_CUT" });
  });
});

/** Sends the first part of the body and cuts the connection; a range it answers as a file server does. */
function cutting(body: Buffer, at: number): Handler {
  const serveRange = bytesHandler(body, { ETag: '"of this place"' });
  return (request, response) => {
    if (request.headers.range !== undefined) return serveRange(request, response);
    response.writeHead(200, { "Content-Length": body.length });
    response.write(body.subarray(0, at), () => response.destroy());
  };
}

describe("a cut body that others have, too", () => {
  const body = randomBytes(300_000);
  const wrong = spoiled(body);
  const mismatches: string[] = [];
  const onFault: FillOrder["onFault"] = ({ target }, { code }) => {
    if (code === "DIGEST_MISMATCH") mismatches.push(target.path);
  };
  beforeEach(() => void mismatches.splice(0));

  test("is continued there, without the validator of the first", async ({ origin, lead }) => {
    origin.serve("/a.rpm", cutting(body, 200_000));
    origin.serve("/b.rpm", bytesHandler(body));
    const fill = lead("/a.rpm", declare(body), { elsewhere: ["/b.rpm"] });
    expect((await readAll(fill.openReader())).equals(body)).toBe(true);
    const [, second] = origin.takeRequests();
    expect(second).toMatchObject({ path: "/b.rpm", status: 206 });
    expect(second?.headers["if-range"]).toBeUndefined();
  });

  test("is fetched whole from one place before anyone is blamed for wrong pieces: nothing had gone out", async ({
    origin,
    lead,
  }) => {
    const small = randomBytes(50_000);
    let cuts = 0;
    origin.serve("/a.rpm", (request, response) => {
      cuts += 1;
      return (cuts === 1 ? cutting(small, 20_000) : bytesHandler(small))(request, response);
    });
    origin.serve("/b.rpm", bytesHandler(spoiled(small)));
    const fill = lead("/a.rpm", declare(small), { elsewhere: ["/b.rpm"], onFault });
    expect((await readAll(fill.openReader())).equals(small)).toBe(true);
    expect(mismatches).toEqual([]);
    expect(origin.takeRequests().map(({ path, status }) => [path, status])).toEqual([
      ["/a.rpm", 200],
      ["/b.rpm", 206],
      ["/a.rpm", 200],
    ]);
  });

  test("ends in a mismatch that blames nobody when some had gone out", async ({ origin, lead, fills }) => {
    origin.serve("/a.rpm", cutting(body, 280_000));
    origin.serve("/b.rpm", bytesHandler(wrong));
    let splices = 0;
    const onSpliced = () => {
      splices += 1;
    };
    const fill = lead("/a.rpm", declare(body), { elsewhere: ["/b.rpm"], onFault, onSpliced });
    expect(await readUntilFault(fill.openReader())).toMatchObject({ code: "DIGEST_MISMATCH" });
    await fills.idle();
    expect({ splices, mismatches }).toEqual({ splices: 1, mismatches: [] });
  });

  test("fetched whole, it comes from the first place that brings all of it, and who lies is blamed", async ({
    origin,
    lead,
  }) => {
    origin.serve("/a.rpm", cutting(body, 280_000));
    origin.serve("/b.rpm", bytesHandler(wrong));
    origin.serve("/c.rpm", bytesHandler(body));
    const fill = lead("/a.rpm", declare(body), { elsewhere: ["/b.rpm", "/c.rpm"], onFault, isWhole: true });
    expect((await readAll(fill.openReader())).equals(body)).toBe(true);
    expect(mismatches).toEqual(["/b.rpm"]);
  });
});
