import { createHash } from "node:crypto";
import { expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { PUBLIC_REALM } from "../../../core/entry.ts";
import { storeBody } from "../bodies.ts";
import { test } from "../declarations/declaring.ts";

const URI = "https://a.example/p/bash.rpm";
const BODY = Buffer.from("all the bytes of bash");
const SHA256 = { algorithm: "sha256", digest: digestOf(BODY), bytes: BODY.length } as const;

test("a stored blob is found by its digest, whatever URI it came by", async ({ declaring, store }) => {
  expect(declaring.index.findBlob(SHA256, PUBLIC_REALM)).toBeUndefined();
  await storeBody(store, URI, BODY);
  expect(declaring.index.findBlob(SHA256, PUBLIC_REALM)).toEqual({ digest: SHA256.digest, bytes: BODY.length });
  expect(declaring.index.findBlob({ ...SHA256, bytes: undefined }, "somebody")).toBeDefined();
});

test("a digest is not a key to someone else's bytes", async ({ declaring, store }) => {
  await storeBody(store, URI, BODY, { realm: "somebody" });
  expect(declaring.index.findBlob(SHA256, PUBLIC_REALM)).toBeUndefined();
  expect(declaring.index.findBlob(SHA256, "somebody else")).toBeUndefined();
  expect(declaring.index.findBlob(SHA256, "somebody")).toBeDefined();
});

test("a blob of another length than is declared is not the one", async ({ declaring, store }) => {
  await storeBody(store, URI, BODY);
  expect(declaring.index.findBlob({ ...SHA256, bytes: BODY.length + 1 }, PUBLIC_REALM)).toBeUndefined();
});

test("a strong digest leads to the blob once it was seen to be the same, a weak one never", async ({
  declaring,
  store,
}) => {
  const { digest: blob } = await storeBody(store, URI, BODY);
  for (const algorithm of ["sha512", "sha384", "sha1", "md5"] as const) {
    const digest = createHash(algorithm).update(BODY).digest("hex");
    const declaration = { algorithm, digest, bytes: BODY.length };
    expect(declaring.index.findBlob(declaration, PUBLIC_REALM)).toBeUndefined();
    declaring.index.noteAlias(algorithm, digest, blob);
    const isStrong = algorithm === "sha512" || algorithm === "sha384";
    expect(declaring.index.findBlob(declaration, PUBLIC_REALM) !== undefined).toBe(isStrong);
  }
});

test("a blob that is gone is not found under any name", async ({ declaring, store }) => {
  const entry = await storeBody(store, URI, BODY);
  const sha512 = createHash("sha512").update(BODY).digest("hex");
  declaring.index.noteAlias("sha512", sha512, entry.digest);
  store.remove(entry);
  await store.settled();
  expect(declaring.index.findBlob(SHA256, PUBLIC_REALM)).toBeUndefined();
  expect(
    declaring.index.findBlob({ algorithm: "sha512", digest: sha512, bytes: undefined }, PUBLIC_REALM),
  ).toBeUndefined();
});
