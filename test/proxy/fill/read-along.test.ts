import { EventEmitter, once } from "node:events";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { type ReadAlongOptions, Room, readAlong } from "../../../proxy/fill/read-along.ts";

const bodyOf = (...chunks: readonly string[]): Readable => Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
/** Options that note what was read. */
function noting(seen: (string | undefined)[], options: Partial<ReadAlongOptions> = {}): ReadAlongOptions {
  const onWhole = async (whole: Buffer | undefined): Promise<void> => void seen.push(whole?.toString());
  return { maxBytes: 9, room: new Room(9), onWhole, ...options };
}

test("a body passes as it is, and has been read when its last piece goes out", async () => {
  const seen: (string | undefined)[] = [];
  const pieces: string[] = [];
  for await (const piece of readAlong(bodyOf("abc", "def"), noting(seen))) pieces.push(`${piece} ${seen.length}`);
  expect({ pieces, seen }).toEqual({ pieces: ["abc 0", "def 1"], seen: ["abcdef"] });
});

test("a body that is too long passes unread", async () => {
  const seen: (string | undefined)[] = [];
  expect(await text(readAlong(bodyOf("abc", "def", "g"), noting(seen, { maxBytes: 5 })))).toBe("abcdefg");
  expect(seen).toEqual([undefined]);
});

test("what others hold is not there until they have ended, were too long or were left", async () => {
  const seen: (string | undefined)[] = [];
  const room = new Room(6);
  const read = (...chunks: readonly string[]): Readable => readAlong(bodyOf(...chunks), noting(seen, { room }));
  const gate = new EventEmitter();
  const holding = readAlong(bodyOf("abcdef"), {
    ...noting([], { room }),
    onWhole: async () => {
      gate.emit("held");
      await once(gate, "let go");
    },
  });
  const isHeld = once(gate, "held");
  const held = text(holding);
  await isHeld;
  expect(await text(read("abc"))).toBe("abc");
  expect(seen).toEqual([undefined]);
  gate.emit("let go");
  await held;
  expect(await text(read("abc", "def", "g"))).toBe("abcdefg");
  const left = read("abc", "def");
  left.read(0);
  left.destroy();
  await once(left, "close");
  expect(await text(read("abcdef"))).toBe("abcdef");
  expect(seen.slice(1)).toEqual([undefined, "abcdef"]);
});
