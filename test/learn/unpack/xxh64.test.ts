import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { Xxh64 } from "../../../learn/unpack/xxh64.ts";
import { noise } from "../../support/noise.ts";
import { mustRun } from "../../support/programs.ts";

function low32(...parts: readonly Uint8Array[]): number {
  const hash = new Xxh64();
  for (const part of parts) hash.update(part);
  return hash.low32();
}

test.for([
  ["", 0x51d8e999],
  ["a", 0xa98c6e5b],
  ["abc", 0xad770999],
] as const)("%j has the hash of the specification", ([text, expected]) => {
  expect(low32(Buffer.from(text))).toBe(expected);
});

test("every length has the checksum that zstd writes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "larder-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const bytes of [1, 3, 4, 7, 8, 12, 15, 31, 32, 33, 44, 63, 64, 1000, 65_537, 300_000]) {
    const content = noise(`${bytes}`, bytes);
    await writeFile(join(folder, "file"), content);
    const packed = await mustRun("zstd", ["--check", "-c", "file"], { cwd: folder });
    expect(low32(content), `${bytes} bytes`).toBe(packed.readUInt32LE(packed.length - 4));
  }
});

test("it does not matter in what pieces the bytes come", () => {
  const cut = fc.nat({ max: 200 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), cut, cut, (bytes, one, other) => {
      const [first, second] = one < other ? [one, other] : [other, one];
      const parts = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
      expect(low32(...parts)).toBe(low32(bytes));
    }),
  );
});
