import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as zlib from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Compression } from "../../../ecosystems/metadata.ts";
import { decode } from "../../../learn/unpack/decode.ts";
import { noise } from "../../support/noise.ts";
import { mustRun } from "../../support/programs.ts";
import { decodeAll, pieces, reasonOf } from "./decoding.ts";

/** Some text that shrinks and some noise that does not: every kind of block occurs. */
const TEXT = Buffer.from(Array.from({ length: 2000 }, (_, n) => `Package: p${n % 97}\nSize: ${n * n}\n\n`).join(""));
const DOCUMENT = Buffer.concat([TEXT, noise("decode", 40_000), Buffer.alloc(200_000), TEXT]);

interface Packed {
  readonly title: string;
  readonly compression: Compression;
  readonly bytes: Buffer;
}

let folder = "";
const packed = new Map<string, Packed>();

/** How each program packs; all read standard input and write standard output. */
const PACKERS = [
  ["gzip", "gzip", "gzip", ["-c"]],
  ["xz", "xz", "xz", ["-c"]],
  ["xz with CRC32", "xz", "xz", ["-c", "--check=crc32"]],
  ["xz without check", "xz", "xz", ["-c", "--check=none"]],
  ["xz with a dictionary of 64 MiB", "xz", "xz", ["-9e", "-c"]],
  ["xz in blocks", "xz", "xz", ["-c", "-T2", "--block-size=50000"]],
  ["zstd", "zstd", "zstd", ["-c"]],
  ["zstd that is slow", "zstd", "zstd", ["-19", "-c"]],
  ["zstd that is fast", "zstd", "zstd", ["--fast=5", "-c"]],
  ["zstd without checksum", "zstd", "zstd", ["--no-check", "-c"]],
  ["bzip2", "bzip2", "bzip2", ["-c"]],
  ["bzip2 in small blocks", "bzip2", "bzip2", ["-1", "-c"]],
] as const;

/** zck reads and writes files only. */
const ZCKS = [
  ["zchunk", []],
  ["zchunk with SHA-256 of chunks", ["--chunk-hash-type=sha256"]],
  ["zchunk with checksums of the unpacked chunks", ["--uncompressed"]],
  ["zchunk that is not packed", ["--compression-format=none"]],
] as const;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "larder-test-"));
  await writeFile(join(folder, "document"), DOCUMENT);
  for (const [title, compression, program, args] of PACKERS) {
    const bytes = await mustRun(program, [...args, "document"], { cwd: folder });
    packed.set(title, { title, compression, bytes });
  }
  for (const [title, args] of ZCKS) {
    await mustRun("zck", [...args, "--output=document.zck", "document"], { cwd: folder });
    packed.set(title, { title, compression: "zchunk", bytes: await readFile(join(folder, "document.zck")) });
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const TITLES = [...PACKERS.map(([title]) => title), ...ZCKS.map(([title]) => title)];
const MULTIPLE = TITLES.filter((title) => !title.startsWith("zchunk"));

function packedAs(title: string): Packed {
  const found = packed.get(title);
  if (found === undefined) throw new Error(`nothing is packed as ${title}`);
  return found;
}

describe.for(TITLES)("%s", (title) => {
  test("is unpacked, by its bytes alone", async () => {
    const { bytes, compression } = packedAs(title);
    expect((await decodeAll(pieces(bytes))).equals(DOCUMENT)).toBe(true);
    expect((await decodeAll(pieces(bytes), { compression })).equals(DOCUMENT)).toBe(true);
  });

  test("is unpacked alike in pieces of any size", async () => {
    const { bytes } = packedAs(title);
    for (const size of [977, 8192, bytes.length])
      expect((await decodeAll(pieces(bytes, size))).equals(DOCUMENT), String(size)).toBe(true);
  });

  test("is broken wherever it is cut short", async () => {
    const { bytes, compression } = packedAs(title);
    for (const cut of [1, 4, 5, 8, 12, 30, 1000, bytes.length - 20, bytes.length - 3, bytes.length]) {
      const short = bytes.subarray(0, bytes.length - cut);
      expect(await reasonOf(() => decodeAll(pieces(short), { compression })), `${cut} bytes less`).toBeDefined();
    }
  });

  test("is broken when something follows it", async () => {
    const { bytes } = packedAs(title);
    const long = Buffer.concat([bytes, Buffer.from("something else")]);
    expect(await reasonOf(() => decodeAll(pieces(long)))).toBeDefined();
  });

  test("is never another document when a bit of it turns", async () => {
    const { bytes, compression } = packedAs(title);
    if (/without check/.test(title)) return;
    for (let at = 1; at < bytes.length; at += Math.ceil(bytes.length / 20)) {
      const turned = Buffer.from(bytes);
      turned[at] = (turned[at] ?? 0) ^ 0x10;
      let found: Buffer | undefined;
      const reason = await reasonOf(async () => {
        found = await decodeAll(pieces(turned), { compression });
      });
      if (reason === undefined) expect(found?.equals(DOCUMENT), `at ${at}`).toBe(true);
    }
  });
});

test.for(MULTIPLE)("%s may come in several parts, one after the other", async (title) => {
  const { bytes } = packedAs(title);
  const twice = await decodeAll(pieces(Buffer.concat([bytes, bytes])));
  expect(twice.equals(Buffer.concat([DOCUMENT, DOCUMENT]))).toBe(true);
});

test.for(PACKERS)("%s of nothing is nothing", async ([, compression, program, args]) => {
  const bytes = await mustRun(program, [...args], { cwd: folder });
  expect(await decodeAll(pieces(bytes), { compression })).toHaveLength(0);
});

test("zstd may have skippable frames anywhere (RFC 8878 §3.1.2)", async () => {
  const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  const { bytes } = packedAs("zstd");
  const found = await decodeAll(pieces(Buffer.concat([skippable, bytes, skippable, bytes, skippable])));
  expect(found.equals(Buffer.concat([DOCUMENT, DOCUMENT]))).toBe(true);
});

test("zstd with a window that fzstd gets wrong is broken, unless zlib can do it", async () => {
  await writeFile(join(folder, "large"), Buffer.alloc(70 * 1024 * 1024));
  const bytes = await mustRun("zstd", ["--ultra", "-22", "--long=27", "-c", "large"], { cwd: folder });
  const hasZlib = "createZstdDecompress" in zlib;
  const reason = await reasonOf(() => decodeAll(pieces(bytes), { maxRatio: 1e9 }));
  expect(reason).toEqual(hasZlib ? undefined : expect.stringMatching(/window of more than/));
});

test("zchunk with a dictionary is unpacked where zlib knows dictionaries, else it is broken", async () => {
  const samples = join(folder, "samples");
  await mustRun("mkdir", [samples], { cwd: folder });
  for (let n = 0; n < 200; n++) await writeFile(join(samples, String(n)), TEXT.subarray(n * 150, n * 150 + 1500));
  await mustRun("zstd", ["--train", "-r", samples, "--maxdict=8000", "-o", "dictionary"], { cwd: folder });
  await mustRun("zck", ["--dict=dictionary", "--output=dictionary.zck", "document"], { cwd: folder });
  const bytes = await readFile(join(folder, "dictionary.zck"));
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const hasDictionaries = major > 24 || (major === 24 && minor >= 6) || (major === 22 && minor >= 19);
  if (hasDictionaries) expect((await decodeAll(pieces(bytes))).equals(DOCUMENT)).toBe(true);
  else expect(await reasonOf(() => decodeAll(pieces(bytes)))).toBeDefined();
});

describe("what is not packed", () => {
  test("goes through as it is", async () => {
    for (const bytes of [DOCUMENT, TEXT.subarray(0, 3), Buffer.alloc(0), Buffer.from("BZh9 is no bzip2\n")])
      expect((await decodeAll(pieces(bytes))).equals(bytes)).toBe(true);
    expect((await decodeAll(pieces(TEXT), { compression: "plain" })).equals(TEXT)).toBe(true);
  });

  test("is broken when its name says that it is packed", async () => {
    expect(await reasonOf(() => decodeAll(pieces(TEXT), { compression: "xz" }))).toBe(
      "it is named xz and is not packed",
    );
    expect(await reasonOf(() => decodeAll(pieces(Buffer.alloc(0)), { compression: "gzip" }))).toMatch(/named gzip/);
  });
});

test("what is packed in another way than its name says is unpacked all the same", async () => {
  const { bytes } = packedAs("zstd");
  expect((await decodeAll(pieces(bytes), { compression: "gzip" })).equals(DOCUMENT)).toBe(true);
  expect((await decodeAll(pieces(bytes), { compression: "plain" })).equals(DOCUMENT)).toBe(true);
});

describe("a document whose root tells what it is unpacked", () => {
  const digest = createHash("sha256").update(DOCUMENT).digest("hex");
  const opened = { digests: [{ algorithm: "sha256", digest }], bytes: DOCUMENT.length } as const;

  test("is checked against that", async () => {
    const { bytes } = packedAs("xz");
    expect((await decodeAll(pieces(bytes), { opened })).equals(DOCUMENT)).toBe(true);
    const other = { ...opened, digests: [{ algorithm: "sha256", digest: digest.replace(/^./, "x") }] } as const;
    expect(await reasonOf(() => decodeAll(pieces(bytes), { opened: other }))).toMatch(/not the sha256/);
  });

  test("is broken as soon as it is longer, and when it is shorter", async () => {
    const { bytes } = packedAs("gzip");
    const size = (more: number) => ({ ...opened, bytes: DOCUMENT.length + more });
    expect(await reasonOf(() => decodeAll(pieces(bytes), { opened: size(-1) }))).toMatch(/larger than/);
    expect(await reasonOf(() => decodeAll(pieces(bytes), { opened: size(1) }))).toMatch(/bytes instead of/);
  });

  test("may be known by digest only", async () => {
    const { bytes } = packedAs("zstd");
    expect((await decodeAll(pieces(bytes), { opened: { ...opened, bytes: undefined } })).equals(DOCUMENT)).toBe(true);
  });
});

describe("an archive bomb", () => {
  const BOMB = 64 * 1024 * 1024;
  const BOMBS = [
    ["gzip", ["-9", "-c"]],
    ["xz", ["-c"]],
    ["zstd", ["-19", "-c"]],
    ["bzip2", ["-9", "-c"]],
  ] as const;

  test.for(BOMBS)("of %s is broken long before its end", async ([program, args]) => {
    await writeFile(join(folder, "zeros"), Buffer.alloc(BOMB));
    const bytes = await mustRun(program, [...args, "zeros"], { cwd: folder });
    let seen = 0;
    const run = async () => {
      for await (const { length } of decode(pieces(bytes), { maxRatio: 100 })) seen += length;
    };
    expect(await reasonOf(run)).toMatch(/more than 100 times as large/);
    expect(seen).toBeLessThanOrEqual(BOMB / 2);
  });

  test("is broken by its size alone", async () => {
    const run = () => decodeAll(pieces(packedAs("gzip").bytes), { maxBytes: 1000 });
    expect(await reasonOf(run)).toBe("unpacked it is larger than 1000 bytes");
  });
});

describe("the source", () => {
  test.for(TITLES)("of %s keeps its own error", async (title) => {
    const { bytes } = packedAs(title);
    const fire = new Error("disk on fire");
    async function* failing() {
      yield* pieces(bytes.subarray(0, bytes.length - 10), 10_000);
      throw fire;
    }
    await expect(decodeAll(failing())).rejects.toBe(fire);
  });

  test.for(TITLES)("of %s is let go when nobody wants more", async (title) => {
    const { bytes } = packedAs(title);
    let isOpen = true;
    async function* source() {
      try {
        yield* pieces(bytes, 5000);
      } finally {
        isOpen = false;
      }
    }
    for await (const _ of decode(source())) break;
    expect(isOpen).toBe(false);
    expect((await decodeAll(pieces(bytes))).equals(DOCUMENT), "the next one").toBe(true);
  });
});

test("any octets are unpacked or broken", async () => {
  const magics = ["", "\x1f\x8b\x08", "\xfd7zXZ\0", "(\xb5/\xfd", "P*M\x18", "BZh91AY&SY", "\0ZCK1"];
  const octets = fc
    .tuple(fc.constantFrom(...magics), fc.uint8Array({ maxLength: 200 }))
    .map(([magic, rest]) => Buffer.concat([Buffer.from(magic, "latin1"), rest]));
  await fc.assert(
    fc.asyncProperty(octets, async (bytes) => {
      await reasonOf(() => decodeAll(pieces(bytes)));
    }),
    { numRuns: 300 },
  );
});
