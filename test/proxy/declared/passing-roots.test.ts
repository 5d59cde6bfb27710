import { generateKeyPairSync, sign } from "node:crypto";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { describe, expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { toNixBase32 } from "../../../ecosystems/nix/hash.ts";
import { get } from "../../support/client.ts";
import { spoiled } from "../../support/faults.ts";
import { bytesHandler } from "../../support/files.ts";
import { noise } from "../../support/noise.ts";
import { test as base } from "../workbench.ts";

const PAGE = "/simple/larder-wheel/";
const WHEEL = "/files/larder_wheel-1.0-py3-none-any.whl";
const body = noise("wheel", 50_000);
const page = `<!DOCTYPE html><html><body><a href="${WHEEL}#sha256=${digestOf(body)}">wheel</a></body></html>`;
const PRIVATE = { Authorization: "Basic bWU6bXk=" };

const test = base
  .extend("larder", ({ startLarder }) => startLarder())
  /** Publishes the page as nobody may store it, and the wheel as the test wants it. */
  .extend("publish", ({ origin }) => (wheel: Buffer, cacheControl = "no-store") => {
    const fields = { "Content-Type": "text/html", "Cache-Control": cacheControl };
    origin.serve(PAGE, bytesHandler(Buffer.from(page), fields));
    origin.serve(WHEEL, bytesHandler(wheel, { "Cache-Control": "no-store" }));
  });

describe.for(["no-store", "private"])("a root that is %s", (cacheControl) => {
  test("is not stored, and what it names is held to it, once", async ({ larder, origin, publish }) => {
    publish(body, cacheControl);
    for (const _ of ["cold", "again"]) {
      expect((await get(larder, origin.url + PAGE)).body.toString()).toBe(page);
      expect((await get(larder, origin.url + WHEEL)).body.equals(body)).toBe(true);
    }
    expect(larder.store.list({ limit: 9 }).map(({ uri }) => uri)).toEqual([origin.url + WHEEL]);
    expect(origin.takeRequests().map(({ path }) => path)).toEqual([PAGE, WHEEL, PAGE]);
  });

  test("lets nothing else pass for what it names", async ({ larder, origin, publish }) => {
    publish(spoiled(body), cacheControl);
    await get(larder, origin.url + PAGE);
    expect(await get(larder, origin.url + WHEEL)).toMatchObject({ status: 502 });
  });

  test("says nothing to those who bring other credentials, or none", async ({ larder, origin, publish }) => {
    publish(spoiled(body), cacheControl);
    await get(larder, origin.url + PAGE, PRIVATE);
    expect(await get(larder, origin.url + WHEEL, PRIVATE)).toMatchObject({ status: 502 });
    expect(await get(larder, origin.url + WHEEL)).toMatchObject({ status: 200 });
  });
});

test.for([
  ["gzip", gzipSync],
  ["br", brotliCompressSync],
  ["deflate", deflateSync],
] as const)(
  "a root in %s that may not be stored is read, too",
  async ([coding, encode], { larder, origin, publish }) => {
    publish(spoiled(body));
    const fields = { "Content-Type": "text/html", "Cache-Control": "no-store", "Content-Encoding": coding };
    origin.serve(PAGE, bytesHandler(encode(page), fields));
    expect((await get(larder, origin.url + PAGE, { "Accept-Encoding": coding })).body).toEqual(encode(page));
    expect(await get(larder, origin.url + WHEEL)).toMatchObject({ status: 502 });
  },
);

test("a root that its origin sends in br whatever is asked is stored and learnt", async ({
  larder,
  origin,
  publish,
}) => {
  publish(spoiled(body));
  const fields = { "Content-Type": "text/html", "Cache-Control": "max-age=60", "Content-Encoding": "br" };
  origin.serve(PAGE, bytesHandler(brotliCompressSync(page), fields));
  await get(larder, origin.url + PAGE);
  expect(larder.store.list({ limit: 9 })).toHaveLength(1);
  expect(await get(larder, origin.url + WHEEL)).toMatchObject({ status: 502 });
});

test("a root of 40 MiB that may not be stored is learnt before its last byte goes out", async ({
  larder,
  origin,
  publish,
}) => {
  publish(spoiled(body));
  const large = page.replace("<body>", `<body>${"<!-- larder -->\n".repeat(40 * 65_536)}`);
  origin.serve(PAGE, bytesHandler(Buffer.from(large), { "Content-Type": "text/html", "Cache-Control": "no-store" }));
  expect((await get(larder, origin.url + PAGE)).body.length).toBe(large.length);
  expect(await get(larder, origin.url + WHEEL)).toMatchObject({ status: 502 });
});

describe("a signed root that may not be stored", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const name = "0".repeat(32);
  const narHash = `sha256:${toNixBase32(digestOf("nar"))}`;
  const signature = sign(null, Buffer.from(`1;/nix/store/${name}-a;${narHash};3;`), privateKey).toString("base64");
  const narinfo = `StorePath: /nix/store/${name}-a
URL: nar/a.nar.xz
Compression: xz
FileHash: sha256:${toNixBase32(digestOf(body))}
FileSize: ${body.length}
NarHash: ${narHash}
NarSize: 3
Sig: key:${signature}
`;

  test("is learnt when its key is known", async ({ startLarder, origin }) => {
    const larder = await startLarder({ settings: { nixPublicKeys: [`key:${raw.toString("base64")}`] } });
    origin.serve(`/${name}.narinfo`, bytesHandler(Buffer.from(narinfo), { "Cache-Control": "no-store" }));
    origin.serve("/nar/a.nar.xz", bytesHandler(spoiled(body)));
    expect((await get(larder, `${origin.url}/${name}.narinfo`)).body.toString()).toBe(narinfo);
    expect(larder.store.list({ limit: 9 })).toEqual([]);
    expect(await get(larder, `${origin.url}/nar/a.nar.xz`)).toMatchObject({ status: 502 });
  });
});
