import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { type Answer, get } from "../support/client.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import type { Larder } from "../support/larder.ts";
import type { Handler, Origin } from "../support/origin.ts";
import { AptPublisher, INDEX } from "../support/repositories/apt-repository.ts";

const MIB = 1024 * 1024;
const NAME = "larder-large";
const PATH = `/debian/pool/${NAME}_1.0_all.deb`;

const test = base
  .extend("repository", { scope: "file" }, async ({ sharedFolder }) => {
    const publisher = await AptPublisher.create(sharedFolder);
    return publisher.publish("repository", [{ name: NAME, bytes: 6 * MIB }]);
  })
  .extend("deb", { scope: "file" }, ({ repository }) => readFile(join(repository.folder, `pool/${NAME}_1.0_all.deb`)));

/** Answers ranges, and sends at most `bytes` of a whole answer before it falls silent. */
function stalling(body: Buffer, bytes: number, fields: Readonly<Record<string, string>>): Handler {
  return (request, response) => {
    const first = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const isPart = first > 0 && [undefined, fields["ETag"]].includes(request.headers["if-range"] as string | undefined);
    const from = isPart ? first : 0;
    const range = isPart ? { "Content-Range": `bytes ${from}-${body.length - 1}/${body.length}` } : {};
    response.writeHead(isPart ? 206 : 200, { ...fields, ...range, "Content-Length": body.length - from });
    if (isPart) response.end(body.subarray(from));
    else response.write(body.subarray(0, bytes));
  };
}

async function stagingFiles(larder: Larder): Promise<{ path: string; bytes: number }[]> {
  const folder = join(larder.folder, "cache/larder/staging");
  const names = (await readdir(folder)).filter((name) => !name.endsWith(".json"));
  return Promise.all(
    names.map(async (name) => ({ path: join(folder, name), bytes: (await stat(join(folder, name))).size })),
  );
}

/** Has a client ask, and resolves when some of the body is on the disk. */
async function beginDownload(larder: Larder, url: string): Promise<{ readonly answer: Promise<Answer | undefined> }> {
  const answer = get(larder, url).catch(() => undefined);
  await expect.poll(async () => (await stagingFiles(larder))[0]?.bytes).toBeGreaterThan(2 * MIB);
  return { answer };
}

/** What the origin was asked of the body since the last call, and how much of it it sent. */
const bodies = (origin: Origin) =>
  origin
    .takeRequests()
    .filter(({ path }) => path === PATH)
    .map(({ status, bodyBytes, headers }) => ({ status, bodyBytes, headers }));

async function learn(larder: Larder, origin: Origin): Promise<void> {
  await get(larder, `${origin.url}/debian/dists/stable/InRelease`);
  await get(larder, `${origin.url}/debian/${INDEX}/Packages.gz`);
}

describe("a download that larder did not survive", () => {
  const cases = [
    ["declared by its repository, after kill -9", "kill", {}, true],
    ["with a strong validator, after kill -9", "kill", { ETag: '"one"' }, false],
    ["declared by its repository, after SIGTERM", "stop", {}, true],
    ["with a strong validator, after SIGTERM", "stop", { ETag: '"one"' }, false],
  ] as const;

  test.for(cases)(
    "%s: only the missing bytes are fetched",
    async ([, how, fields, isDeclared], { startLarder, origin, repository, deb }) => {
      const url = origin.url + PATH;
      origin.serve("/debian/", folderHandler("/debian/", repository.folder));
      origin.serve(PATH, stalling(deb, 4 * MIB, { "Cache-Control": "max-age=600", ...fields }));
      const larder = await startLarder({ flags: ["--drain-timeout", "0"] });
      if (isDeclared) await learn(larder, origin);
      const begun = await beginDownload(larder, url);
      await (how === "kill" ? larder.kill() : larder.stop());
      expect((await begun.answer)?.isWhole ?? false).toBe(false);
      bodies(origin);

      const again = await startLarder({ folder: larder.folder });
      const answer = await get(again, url);
      expect(answer).toMatchObject({ status: 200, isWhole: true });
      expect(answer.body.equals(deb)).toBe(true);
      const asked = bodies(origin);
      const first = Number(/^bytes=(\d+)-$/.exec(asked[0]?.headers.range ?? "")?.[1]);
      expect(first).toBeGreaterThanOrEqual(2 * MIB);
      expect(asked).toMatchObject([{ status: 206, bodyBytes: deb.length - first }]);
      expect(asked[0]?.headers["if-range"]).toBe("ETag" in fields ? fields.ETag : undefined);
      await expect.poll(() => again.stored(".deb")).toMatchObject([{ digest: digestOf(deb) }]);
      await expect.poll(() => stagingFiles(again)).toEqual([]);
    },
  );

  test("whose origin has something else by now is fetched whole", async ({ startLarder, origin, deb }) => {
    const url = origin.url + PATH;
    origin.serve(PATH, stalling(deb, 4 * MIB, { ETag: '"one"', "Cache-Control": "max-age=600" }));
    const larder = await startLarder();
    await beginDownload(larder, url);
    await larder.kill();
    const other = Buffer.concat([deb.subarray(MIB), deb.subarray(0, MIB)]);
    origin.serve(PATH, bytesHandler(other));
    const again = await startLarder({ folder: larder.folder });
    const answer = await get(again, url);
    expect(answer).toMatchObject({ status: 200, isWhole: true });
    expect(answer.body.equals(other)).toBe(true);
    await expect.poll(() => stagingFiles(again)).toEqual([]);
  });

  test("and whose beginning was damaged never completes wrongly, and is right the next time", async ({
    startLarder,
    origin,
    repository,
    deb,
  }) => {
    const url = origin.url + PATH;
    origin.serve("/debian/", folderHandler("/debian/", repository.folder));
    origin.serve(PATH, stalling(deb, 4 * MIB, {}));
    const larder = await startLarder();
    await learn(larder, origin);
    await beginDownload(larder, url);
    await larder.kill();
    const [left] = await stagingFiles(larder);
    const bytes = await readFile(left?.path ?? "");
    bytes[MIB] = (bytes[MIB] ?? 0) ^ 1;
    await writeFile(left?.path ?? "", bytes);
    origin.serve(PATH, stalling(deb, deb.length, {}));
    const again = await startLarder({ folder: larder.folder });
    const cut = await get(again, url);
    expect(cut.isWhole && !cut.body.equals(deb)).toBe(false);
    const right = await get(again, url);
    expect(right).toMatchObject({ status: 200, isWhole: true });
    expect(right.body.equals(deb)).toBe(true);
    await expect.poll(() => again.stored(".deb")).toMatchObject([{ digest: digestOf(deb) }]);
  });
});

test("a download that its origin cut for good goes on when it is asked for again", async ({
  startLarder,
  origin,
  deb,
}) => {
  const url = origin.url + PATH;
  let isDown = true;
  const working = stalling(deb, deb.length, { ETag: '"one"', "Cache-Control": "max-age=600" });
  origin.serve(PATH, (request, response) => {
    if (!isDown) return working(request, response);
    if (request.headers.range !== undefined) return void response.destroy();
    response.writeHead(200, { ETag: '"one"', "Cache-Control": "max-age=600", "Content-Length": deb.length });
    response.write(deb.subarray(0, 4 * MIB), () => response.destroy());
  });
  const larder = await startLarder();
  expect(await get(larder, url)).toMatchObject({ isWhole: false });
  await expect.poll(() => larder.counters()).toMatchObject({ fillsUnderWay: 0 });
  isDown = false;
  bodies(origin);
  const answer = await get(larder, url);
  expect(answer.isWhole && answer.body.equals(deb)).toBe(true);
  expect(bodies(origin)).toMatchObject([{ status: 206, bodyBytes: deb.length - 4 * MIB }]);
});
