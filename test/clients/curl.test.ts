import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { bytesHandler } from "../support/files.ts";
import { test } from "../support/fixtures.ts";
import { noise } from "../support/noise.ts";
import { bodyBytes } from "../support/origin.ts";
import { mustRun, runProgram } from "../support/programs.ts";

const BODY = noise("curl", 300_000);
const DIGEST = digestOf(BODY);
const PATH = "/files/thing-1.0.bin";
const FRESH = { "Cache-Control": "max-age=3600" };

/** How curl comes to the origin: its scheme, and the flags that make the way. */
const WAYS = {
  "plain http": { scheme: "http", flags: [] },
  "http inside CONNECT": { scheme: "http", flags: ["--proxytunnel"] },
  "https, offering h2 and http/1.1": { scheme: "https", flags: ["--http2"] },
  "https, offering http/1.1": { scheme: "https", flags: ["--http1.1"] },
  "https without ALPN": { scheme: "https", flags: ["--no-alpn"] },
} as const;

describe.for(Object.entries(WAYS))("curl: %s", ([, { scheme, flags }]) => {
  const withCurl = test
    .extend("publisher", ({ origin, secureOrigin }) => {
      const publisher = scheme === "http" ? origin : secureOrigin;
      publisher.serve(PATH, bytesHandler(BODY, FRESH));
      return publisher;
    })
    /** Runs curl on the published file. */
    .extend("curl", ({ larder, caFile, folder, publisher }) => (...args: string[]) => {
      const through = ["--silent", "--show-error", "--fail", "--proxy", larder.url, "--cacert", caFile, ...flags];
      return mustRun("curl", [...through, ...args, `${publisher.url}${PATH}`], { cwd: folder });
    });

  withCurl("gets the right bytes, the second time from the store alone", async ({ curl, publisher }) => {
    expect(digestOf(await curl())).toBe(DIGEST);
    expect(bodyBytes(publisher.takeRequests(), /^/)).toBe(BODY.length);
    await publisher.stop();
    expect(digestOf(await curl())).toBe(DIGEST);
    expect(publisher.takeRequests()).toEqual([]);
  });

  withCurl("answers HEAD from the store with the fields of the GET", async ({ curl, publisher }) => {
    const head = fieldsOf(await curl("--dump-header", "-", "--output", "/dev/null"));
    publisher.takeRequests();
    const again = fieldsOf(await curl("--head"));
    expect(again.get("content-length")).toBe(String(BODY.length));
    expect(again.get("etag")).toBe(head.get("etag"));
    expect(publisher.takeRequests()).toEqual([]);
  });

  withCurl("answers a range from the store (RFC 9110 §14)", async ({ curl, publisher, folder }) => {
    await curl("--output", "whole");
    publisher.takeRequests();
    const fields = fieldsOf(await curl("--range", "1000-1999", "--dump-header", "-", "--output", "part"));
    expect(fields.get(STATUS)).toMatch(/^HTTP\/1\.1 206/);
    expect(fields.get("content-range")).toBe(`bytes 1000-1999/${BODY.length}`);
    expect((await readFile(join(folder, "part"))).equals(BODY.subarray(1000, 2000))).toBe(true);
    expect(publisher.takeRequests()).toEqual([]);
  });

  withCurl("resumes with -C - to the right bytes, cold and warm", async ({ curl, folder }) => {
    for (const file of ["cold", "warm"]) {
      await writeFile(join(folder, file), BODY.subarray(0, 123_456));
      await curl("--continue-at", "-", "--output", file);
      expect(digestOf(await readFile(join(folder, file)))).toBe(DIGEST);
    }
  });

  withCurl("answers If-None-Match with 304 and no body (RFC 9110 §13.1.2)", async ({ curl, publisher }) => {
    const etag = fieldsOf(await curl("--dump-header", "-", "--output", "/dev/null")).get("etag") ?? "";
    publisher.takeRequests();
    const answer = fieldsOf(await curl("--header", `If-None-Match: ${etag}`, "--include"));
    expect(answer.get(STATUS)).toMatch(/^HTTP\/1\.1 304/);
    expect(answer.get("etag")).toBe(etag);
    expect(publisher.takeRequests()).toEqual([]);
  });
});

test("curl refuses larder's certificate when it was not told to trust it", async ({ larder, secureOrigin, folder }) => {
  secureOrigin.serve(PATH, bytesHandler(BODY));
  const outcome = await runProgram("curl", ["--silent", "--proxy", larder.url, `${secureOrigin.url}${PATH}`], {
    cwd: folder,
  });
  const CURLE_PEER_FAILED_VERIFICATION = 60;
  expect(outcome.code).toBe(CURLE_PEER_FAILED_VERIFICATION);
  expect(secureOrigin.takeRequests()).toEqual([]);
});

const STATUS = "status line";

/** The last head in curl's output: its field lines by lower-case name, and the status line. */
function fieldsOf(output: Buffer): ReadonlyMap<string, string> {
  const heads = output.toString("latin1").split(/(?<=\r\n\r\n)(?=HTTP\/)/);
  const [status = "", ...lines] = (heads.at(-1) ?? "").split("\r\n");
  const fields = lines.map((line) => /^([^:]+):\s*(.*)$/.exec(line)).filter((match) => match !== null);
  return new Map([
    [STATUS, status],
    ...fields.map(([, name = "", value = ""]) => [name.toLowerCase(), value] as const),
  ]);
}
