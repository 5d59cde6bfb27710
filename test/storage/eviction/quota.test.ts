import { expect, test } from "vitest";
import { Quota } from "../../../storage/eviction/quota.ts";

const MIB = 1024 * 1024;

test("an announced length is reserved while the body is under way, and given back", () => {
  const quota = new Quota(1000, () => undefined);
  const first = quota.reserve(400);
  first.grow(100);
  expect([quota.usedBytes, quota.stagingBytes]).toEqual([400, 100]);
  first.grow(350);
  expect([quota.usedBytes, quota.stagingBytes]).toEqual([450, 450]);
  first.release();
  first.release();
  expect([quota.usedBytes, quota.stagingBytes]).toEqual([0, 0]);
});

test("a false announcement counts only a little ahead of what arrives, so that it cannot empty the store", () => {
  const quota = new Quota(1000 * MIB, () => undefined);
  quota.addBlobs(1, 100 * MIB);
  const liar = quota.reserve(900 * MIB);
  expect(quota.usedBytes).toBe(164 * MIB);
  liar.grow(10 * MIB);
  expect(quota.usedBytes).toBe(174 * MIB);
});

test("bodies that can never fit together are refused, the later one alone", () => {
  const quota = new Quota(1000, () => undefined);
  const first = quota.reserve(700);
  expect(() => quota.reserve(301)).toThrow(expect.objectContaining({ code: "STORE_UNWRITABLE" }));
  const unannounced = quota.reserve(0);
  unannounced.grow(300);
  expect(() => unannounced.grow(1)).toThrow(/raise --max-bytes/);
  first.grow(700);
  expect(quota.usedBytes).toBe(1000);
});

test("whoever makes the store larger says so", () => {
  let grown = 0;
  const quota = new Quota(1000, () => {
    grown += 1;
  });
  quota.addBlobs(1, 10);
  const reservation = quota.reserve(5);
  reservation.grow(5);
  expect(grown).toBe(3);
  reservation.release();
  quota.removeBlob(10);
  expect([grown, quota.blobs, quota.blobBytes]).toEqual([3, 0, 0]);
});
