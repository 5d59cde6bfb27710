import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import { type Answer, open, readAnswer } from "../support/client.ts";
import { test } from "../support/fixtures.ts";
import { type Larder, larderEnvironment, PROGRAM, runLarder } from "../support/larder.ts";
import { noise } from "../support/noise.ts";
import type { Handler, Origin } from "../support/origin.ts";
import { cleanEnvironment, runProgram } from "../support/programs.ts";

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

  const larder = await startLarder({ flags: ["--drain-timeout", "8s"] });
  const downloads = urls.flatMap((url, index) =>
    (["--http1.0", "--http1.1"] as const).map((version) =>
      startDownload(larder, url, version, join(folder, `${index}${version}`)),
    ),
  );
  for (const { file } of downloads) await expect.poll(async () => (await stat(file)).size).toBeGreaterThan(0);
  const stopped = larder.stop();
  await expect.poll(() => larder.logged("stopping")).toHaveLength(1);
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
});

/** Has a client begin to read a body whose origin has sent half of it and goes on when it is told. */
async function beginDownload(port: number, origin: Origin): Promise<{ answer: Promise<Answer>; finish(): void }> {
  const rest = withResolver();
  origin.serve("/half", halves(rest.promise, true));
  const answer = readAnswer(await open({ port }, `${origin.url}/half`));
  return { answer, finish: rest.resolve };
}

function withResolver(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve: () => resolve() };
}

test("a second signal ends it at once: what is cut never looks whole, and the store is sound", async ({
  startLarder,
  origin,
}) => {
  const larder = await startLarder({ flags: ["--drain-timeout", "10m"] });
  const { answer } = await beginDownload(larder.port, origin);
  process.kill(larder.pid, "SIGTERM");
  await expect.poll(() => larder.logged("stopping")).toHaveLength(1);
  process.kill(larder.pid, "SIGTERM");
  await expect.poll(() => larder.isRunning).toBe(false);
  expect((await answer).isWhole).toBe(false);
  const again = await startLarder({ folder: larder.folder });
  const { code, stdout } = await again.command("store", "verify", "--json");
  expect([code, JSON.parse(stdout.toString()).unrepaired]).toEqual([0, 0]);
});

test("as process 1 of a container it hears SIGTERM, lets what runs finish and ends well", async ({
  folder,
  origin,
}) => {
  await runLarder(["config"], { folder });
  const flags = ["--listen", "127.0.0.1:0", "--allow-destination", "127.0.0.0/8"];
  const container = spawn("unshare", ["--pid", "--fork", process.execPath, PROGRAM, "serve", ...flags], {
    cwd: folder,
    env: cleanEnvironment(folder, larderEnvironment(folder)),
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = once(container, "exit");
  const [line] = (await once(createInterface(container.stdout), "line")) as [string];
  const { answer, finish } = await beginDownload(Number(new URL(line.replace(/^.* /, "")).port), origin);
  const children = await readFile(`/proc/${container.pid}/task/${container.pid}/children`, "utf8");
  const pid = Number(children);
  expect(await readFile(`/proc/${pid}/status`, "utf8")).toMatch(/^NSpid:\t\d+\t1$/m);
  process.kill(pid, "SIGTERM");
  finish();
  const { isWhole, body } = await answer;
  expect(isWhole && body.equals(BODY)).toBe(true);
  expect(await ended).toEqual([0, null]);
});
