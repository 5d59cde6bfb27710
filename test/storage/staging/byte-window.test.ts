import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteWindow } from "../../../storage/staging/byte-window.ts";

test("holds the recent bytes of a body, whatever chunks they came in and whatever was dropped", () => {
  const chunk = fc.uint8Array({ maxLength: 20 });
  const step = fc.oneof(
    chunk.map((bytes) => ({ append: Buffer.from(bytes) })),
    fc.nat(300).map((position) => ({ dropBefore: position })),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 30 }), (steps, maxBytes) => {
      const window = new ByteWindow();
      let body = Buffer.alloc(0);
      for (const each of steps) {
        if ("append" in each) {
          window.append(each.append);
          body = Buffer.concat([body, each.append]);
        } else {
          const before = window.start;
          window.dropBefore(each.dropBefore);
          expect(window.start).toBeGreaterThanOrEqual(before);
          expect(window.start).toBeLessThanOrEqual(Math.max(before, Math.min(each.dropBefore, body.length)));
        }
      }
      expect(window.end).toBe(body.length);
      for (let position = 0; position <= body.length; position++) {
        const bytes = window.bytesAt(position, maxBytes);
        if (position < window.start || position === body.length) expect(bytes).toBeUndefined();
        else expect(bytes?.equals(body.subarray(position, position + (bytes?.length ?? 0)))).toBe(true);
        expect(bytes?.length ?? 1).toBeGreaterThan(0);
        expect(bytes?.length ?? 1).toBeLessThanOrEqual(maxBytes);
      }
      expect(Buffer.concat(window.chunksFrom(window.start, body.length + 1)).equals(body.subarray(window.start))).toBe(
        true,
      );
    }),
  );
});

test("gives a batch from any position, in pieces of the chunks, up to its length or the end", () => {
  const window = new ByteWindow();
  for (const text of ["aaaa", "bb", "cccccc", "d"]) window.append(Buffer.from(text));
  expect(window.chunksFrom(4, 3).map(String)).toEqual(["bb", "c"]);
  expect(window.chunksFrom(3, 5).map(String)).toEqual(["a", "bb", "cc"]);
  expect(window.chunksFrom(12, 100).map(String)).toEqual(["d"]);
  expect(window.chunksFrom(13, 100)).toEqual([]);
});
