import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { test } from "../support/fixtures.ts";
import type { Larder } from "../support/larder.ts";
import { noise } from "../support/noise.ts";
import type { Handler, Origin } from "../support/origin.ts";
import { runProgram } from "../support/programs.ts";

const BODY = noise("stopping", 3_000_000);
const HALF = BODY.length / 2;

interface Download {
  readonly url: string;
  /** `--http1.0` knows the end of a body without a length by the end of the connection only. */
  readonly version: "--http1.0" | "--http1.1";
  readonly file: string;
  readonly ended: Promise<number | null>;
}

/** Sends the first half at once and the rest when `rest` resolves. */
function halves(rest: Promise<void>, isFramed: boolean): Handler {
  return async (_, response) => {
    const length = isFramed ? { "content-length": BODY.length } : {};
    response.writeHead(200, { "cache-control": "max-age=600", ...length });
    response.write(BODY.subarray(0, HALF));
    await rest;
    response.end(BODY.subarray(HALF));
  };
}

function startDownload(larder: Larder, url: string, version: Download["version"], file: string): Download {
  const trust = ["--cacert", join(larder.folder, "config/larder/ca/ca.pem")];
  const args = ["-sS", "--no-alpn", "--noproxy", "", "--proxy", larder.url, ...trust, version, "--output", file, url];
  const ended = runProgram("curl", args, { cwd: larder.folder }).then(({ code }) => code);
  return { url, version, file, ended };
}

test("SIGTERM under load: what finishes in time is whole, what is cut at the deadline never looks so, and all of it is there after a restart", async ({
  startLarder,
  folder,
  origin,
  secureOrigin,
}) => {
  let finish: () => void = () => undefined;
  const soon = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const never = new Promise<void>(() => undefined);
  const serveHalves = (from: Origin, name: string, rest: Promise<void>): string[] =>
    [true, false].map((isFramed) => {
      const path = `/${name}-${isFramed ? "framed" : "unframed"}`;
      from.serve(path, halves(rest, isFramed));
      return from.url + path;
    });
  const origins = [origin, secureOrigin];
  const urls = origins.flatMap((from) => [...serveHalves(from, "soon", soon), ...serveHalves(from, "never", never)]);

  const larder = await startLarder({ flags: ["--drain-timeout", "2s"] });
  const downloads = urls.flatMap((url, index) =>
    (["--http1.0", "--http1.1"] as const).map((version) =>
      startDownload(larder, url, version, join(folder, `${index}${version}`)),
    ),
  );
  for (const { file } of downloads)
    await vi.waitFor(async () => expect((await stat(file)).size).toBeGreaterThan(0), { timeout: 20_000 });
  const stopped = larder.stop();
  await vi.waitFor(() => expect(larder.logged("stopping")).toHaveLength(1), { timeout: 20_000 });
  finish();
  await stopped;

  for (const { url, version, file, ended } of downloads) {
    const isWhole = (await readFile(file)).equals(BODY);
    const says = { url, version, isWhole, hasSucceeded: (await ended) === 0 };
    expect(says).toEqual({ url, version, isWhole: url.includes("/soon"), hasSucceeded: url.includes("/soon") });
  }

  for (const url of urls) {
    const from = origins.find((one) => url.startsWith(one.url)) ?? origin;
    from.serve(url.slice(from.url.length), halves(Promise.resolve(), true));
  }
  const again = await startLarder({ folder: larder.folder });
  for (const [index, url] of urls.entries()) {
    const { file, ended } = startDownload(again, url, "--http1.1", join(folder, `again-${index}`));
    expect([url, await ended]).toEqual([url, 0]);
    expect((await readFile(file)).equals(BODY)).toBe(true);
  }
}, 60_000);
