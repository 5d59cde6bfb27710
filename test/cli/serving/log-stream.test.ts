import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LogStream } from "../../../cli/serving/log-stream.ts";

const INFO = 30;
const ERROR = 50;
let folder: string;
let reader: number;
let writer: number;

/** A pipe with a reader of the test's own, which reads when it likes. */
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "larder-log-"));
  execFileSync("mkfifo", [join(folder, "log")]);
  reader = openSync(join(folder, "log"), constants.O_RDONLY | constants.O_NONBLOCK);
  writer = openSync(join(folder, "log"), constants.O_WRONLY | constants.O_NONBLOCK);
});
afterEach(async () => {
  closeSync(writer);
  await rm(folder, { recursive: true });
});

function readAll(): string {
  const chunks: Buffer[] = [];
  const chunk = Buffer.alloc(64 * 1024);
  for (;;) {
    try {
      const bytes = readSync(reader, chunk);
      if (bytes === 0) break;
      chunks.push(Buffer.from(chunk.subarray(0, bytes)));
    } catch {
      break;
    }
  }
  return Buffer.concat(chunks).toString();
}

function lineOf(stream: LogStream, level: number, text: string): void {
  stream.lastLevel = level;
  stream.write(`${text}\n`);
}

test("an everyday line waits for others, an error brings all of them out at once", () => {
  const stream = new LogStream(writer);
  lineOf(stream, INFO, "one");
  expect(readAll()).toBe("");
  lineOf(stream, ERROR, "two");
  expect(readAll()).toBe("one\ntwo\n");
  closeSync(reader);
});

test("a reader that stalls holds nobody up, and gets what was kept when it goes on", () => {
  const stream = new LogStream(writer);
  for (let n = 0; n < 3_000; n += 1) lineOf(stream, INFO, `${n} ${"x".repeat(1_000)}`);
  stream.flush();
  const early = readAll();
  stream.flush();
  let late = "";
  for (let more = readAll(); more !== ""; more = readAll()) {
    late += more;
    stream.flush();
  }
  expect(early.startsWith("0 x")).toBe(true);
  expect(late.endsWith(`2999 ${"x".repeat(1_000)}\n`)).toBe(true);
  closeSync(reader);
});

test("a reader that has left costs its lines and nothing else", () => {
  const stream = new LogStream(writer);
  closeSync(reader);
  expect(() => lineOf(stream, ERROR, "nobody reads this")).not.toThrow();
});
