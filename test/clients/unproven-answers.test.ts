import { mkdir, readFile, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { get, open } from "../support/client.ts";
import { spoiled } from "../support/faults.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import type { Larder } from "../support/larder.ts";
import type { Handler } from "../support/origin.ts";
import { runProgram } from "../support/programs.ts";
import { AptPublisher, INDEX } from "../support/repositories/apt-repository.ts";

const DEB = "pool/larder-large_1.0_all.deb";
const CURLE_RANGE_ERROR = 33;

const test = base
  .extend("repository", { scope: "file" }, async ({ sharedFolder }) =>
    (await AptPublisher.create(sharedFolder)).publish("repository", [{ name: "larder-large", bytes: 1_500_000 }]),
  )
  .extend("deb", { scope: "file" }, ({ repository }) => readFile(join(repository.folder, DEB)))
  .extend("debian", async ({ origin, repository }) => {
    origin.serve("/debian/", folderHandler("/debian/", repository.folder));
    return origin;
  })
  .extend("url", ({ debian }) => `${debian.url}/debian/${DEB}`)
  /** Starts a larder, or the same again, that knows what the repository declares. */
  .extend("startAgain", ({ startLarder, folder, debian }) => async (toml = ""): Promise<Larder> => {
    const own = join(folder, "larder");
    await mkdir(join(own, "config/larder"), { recursive: true });
    await writeFile(join(own, "config/larder/larder.toml"), toml);
    const larder = await startLarder({ folder: own });
    for (const path of ["dists/stable/InRelease", `${INDEX}/Packages.gz`])
      expect(await get(larder, `${debian.url}/debian/${path}`)).toMatchObject({ status: 200 });
    return larder;
  });

/** Sends the beginning, then nothing more. */
function stalling(body: Buffer, bytes: number): Handler {
  return (_, response) =>
    void response.writeHead(200, { "Content-Length": body.length }).write(body.subarray(0, bytes));
}

/** Wrong from the first byte on, so that what went out is wrong, too. */
const wrong = (body: Buffer) => Buffer.from(body).fill(0, 1_000, 2_000);

describe("the rest of an answer that was cut because it was wrong", () => {
  test("is nobody's to have after a restart either: curl -C - assembles nothing", async ({
    startAgain,
    debian,
    url,
    deb,
    folder,
  }) => {
    const part = join(folder, "part.deb");
    const curl = (through: Larder, ...flags: string[]) =>
      runProgram("curl", ["--silent", "--proxy", through.url, "--output", part, ...flags, url], { cwd: folder });
    const before = await startAgain();
    debian.serve(`/debian/${DEB}`, bytesHandler(wrong(deb)));
    expect((await curl(before)).code).not.toBe(0);
    const cut = await readFile(part);
    expect(cut.length).toBeGreaterThan(0);
    expect(cut.equals(deb.subarray(0, cut.length))).toBe(false);
    await before.stop();

    debian.serve(`/debian/${DEB}`, bytesHandler(deb));
    const after = await startAgain();
    expect(await curl(after, "--continue-at", "-")).not.toMatchObject({ code: 0 });
    expect((await readFile(part)).equals(cut)).toBe(true);
  });

  test("is not had either when the right bytes are stored meanwhile, with or without larder's own tag", async ({
    startAgain,
    startOrigin,
    debian,
    url,
    deb,
    folder,
  }) => {
    const mirror = await startOrigin();
    mirror.serve(`/debian/${DEB}`, bytesHandler(deb));
    const toml = `[[repository]]\necosystem = "deb"\nbases = ["${debian.url}/debian/", "${mirror.url}/debian/"]\n`;
    const before = await startAgain(toml);
    debian.serve(`/debian/${DEB}`, bytesHandler(wrong(deb)));
    const cut = await get(before, url);
    expect(cut).toMatchObject({ status: 200, isWhole: false });
    expect(cut.body.length).toBeGreaterThan(0);
    const { etag } = cut.headers;
    expect((await get(before, `${mirror.url}/debian/${DEB}`)).body.equals(deb)).toBe(true);
    await before.stop();

    const after = await startAgain(toml);
    const Range = `bytes=${cut.body.length}-`;
    for (const headers of [{ Range }, { Range, "If-Range": etag }]) {
      const resumed = await get(after, url, headers);
      expect(resumed).toMatchObject({ status: 200, isWhole: true });
      expect(resumed.body.equals(deb)).toBe(true);
    }
    // Whoever asked elsewhere got right bytes only.
    expect(await get(after, `${mirror.url}/debian/${DEB}`, { Range })).toMatchObject({ status: 206 });
    const part = join(folder, "part.deb");
    await writeFile(part, cut.body);
    const flags = ["--silent", "--proxy", after.url, "--output", part, "--continue-at", "-"];
    expect(await runProgram("curl", [...flags, url], { cwd: folder })).toMatchObject({ code: CURLE_RANGE_ERROR });
    expect((await readFile(part)).equals(cut.body)).toBe(true);
  });

  test("is not had when larder was killed before it knew that the beginning was wrong", async ({
    startAgain,
    debian,
    url,
    deb,
  }) => {
    const before = await startAgain();
    debian.serve(`/debian/${DEB}`, stalling(wrong(deb), 1_000_000));
    const answer = await open(before, url);
    answer.on("error", () => undefined);
    const received = await firstBytes(answer, 500_000);
    await before.kill();

    debian.serve(`/debian/${DEB}`, bytesHandler(deb));
    const after = await startAgain();
    expect((await get(after, url)).body.equals(deb)).toBe(true);
    const resumed = await get(after, url, { Range: `bytes=${received}-` });
    expect(resumed).toMatchObject({ status: 200, isWhole: true });
    expect(resumed.body.equals(deb)).toBe(true);
  });

  test("is had as a part again where all that ever went out was right", async ({ startAgain, url, deb }) => {
    const larder = await startAgain();
    expect((await get(larder, url)).body.equals(deb)).toBe(true);
    const part = await get(larder, url, { Range: "bytes=1000-" });
    expect(part).toMatchObject({ status: 206 });
    expect(part.body.equals(deb.subarray(1000))).toBe(true);
  });
});

test("pieces of two places that are wrong together blame neither: the one that is right brings the whole", async ({
  startAgain,
  startOrigin,
  debian,
  url,
  deb,
}) => {
  const mirror = await startOrigin();
  mirror.serve(`/debian/${DEB}`, bytesHandler(spoiled(deb)));
  const larder = await startAgain(
    `[[repository]]\necosystem = "deb"\nbases = ["${debian.url}/debian/", "${mirror.url}/debian/"]\n`,
  );
  let cuts = 0;
  debian.serve(`/debian/${DEB}`, (request, response) => {
    cuts += 1;
    if (cuts > 1) return bytesHandler(deb)(request, response);
    response.writeHead(200, { "Content-Length": deb.length });
    response.write(deb.subarray(0, 1_000_000), () => response.destroy());
  });
  expect(await get(larder, url)).toMatchObject({ status: 200, isWhole: false });
  const again = await get(larder, url, { Range: "bytes=900000-" });
  expect(again).toMatchObject({ status: 200, isWhole: true });
  expect(again.body.equals(deb)).toBe(true);
  expect(larder.logged("mismatch")).toEqual([]);
});

async function firstBytes(answer: IncomingMessage, bytes: number): Promise<number> {
  let received = 0;
  for await (const chunk of answer.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    received += chunk.length;
    if (received >= bytes) break;
  }
  return received;
}
