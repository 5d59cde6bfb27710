import { EventEmitter, once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { get } from "../support/client.ts";
import { spoiled } from "../support/faults.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { bodyBytes, type Handler } from "../support/origin.ts";
import { type AptRepository, INDEX } from "../support/repositories/apt-repository.ts";
import {
  HUGE,
  isHit,
  LARGE,
  PACKAGES_GZ,
  PREFIX,
  pathOf,
  ROOT,
  SMALL,
  serve,
  takeIndexes,
  test,
} from "./declared-debs.ts";

describe("a declared payload that its origin redirects", () => {
  test("is stored under the first URI, and asked for once, however its signed URL changes", async ({
    learnt,
    debian,
    startOrigin,
    debs,
  }) => {
    const files = await startOrigin();
    let signatures = 0;
    files.serve("/signed/", bytesHandler(debs[LARGE]));
    debian.serve(pathOf(LARGE), (_, response) => {
      signatures += 1;
      response.writeHead(302, { Location: `${files.url}/signed/${LARGE}.deb?signature=${signatures}` }).end();
    });
    const url = debian.url + pathOf(LARGE);
    expect((await get(learnt, url)).body.equals(debs[LARGE])).toBe(true);
    expect(await learnt.stored(".deb")).toMatchObject([{ uri: url, digest: digestOf(debs[LARGE]) }]);

    const again = await get(learnt, `${url}?token=another`);
    expect(again.body.equals(debs[LARGE])).toBe(true);
    expect(isHit(again)).toBe(true);
    expect(signatures).toBe(1);
    expect(files.takeRequests()).toHaveLength(1);
  });

  test("is not followed from https to http", async ({ larder, caFile, secureOrigin, origin, repository, debs }) => {
    const through = { port: larder.port, ca: await readFile(caFile, "utf8") };
    serve(secureOrigin, repository);
    await takeIndexes(through, secureOrigin);
    origin.serve("/plain.deb", bytesHandler(debs[SMALL]));
    secureOrigin.serve(pathOf(SMALL), redirectTo(`${origin.url}/plain.deb`));
    expect(await get(through, secureOrigin.url + pathOf(SMALL))).toMatchObject({ status: 302 });
    expect(origin.takeRequests()).toEqual([]);
    expect(await larder.stored(".deb")).toEqual([]);
  });

  test("is followed five times, and not six", async ({ learnt, debian, debs }) => {
    debian.serve("/hop/0", bytesHandler(debs[SMALL]));
    for (let hop = 1; hop <= 5; hop++) debian.serve(`/hop/${hop}`, redirectTo(`/hop/${hop - 1}`));
    debian.serve(pathOf(SMALL), redirectTo("/hop/5"));
    const tooFar = await get(learnt, debian.url + pathOf(SMALL));
    expect(tooFar).toMatchObject({ status: 502 });
    expect(tooFar.body.toString()).toContain("TOO_MANY_REDIRECTS");

    debian.serve(pathOf(SMALL), redirectTo("/hop/4"));
    expect((await get(learnt, debian.url + pathOf(SMALL))).body.equals(debs[SMALL])).toBe(true);
  });
});

test("a payload that is asked for while its index is on the way waits for it, and is verified", async ({
  larder,
  debian,
  repository,
  debs,
}) => {
  debian.serve(pathOf(SMALL), bytesHandler(spoiled(debs[SMALL])));
  const origin = new EventEmitter();
  debian.serve(PACKAGES_GZ, async (request, response) => {
    await once(origin, "finish");
    await folderHandler(PREFIX, repository.folder)(request, response);
  });
  await get(larder, debian.url + ROOT);
  const asked = debian.arrival(PACKAGES_GZ);
  const index = get(larder, debian.url + PACKAGES_GZ);
  await asked;
  const payload = get(larder, debian.url + pathOf(SMALL));
  await get(larder, `${larder.url}/healthz`);
  origin.emit("finish");
  expect(await index).toMatchObject({ status: 200 });
  const refused = await payload;
  expect(refused).toMatchObject({ status: 502 });
  expect(refused.body.toString()).toContain("DIGEST_MISMATCH");
});

describe("a range of a declared payload that is not stored", () => {
  test("waits for the digest, and is a part of verified bytes", async ({ learnt, debian, debs }) => {
    debian.takeRequests();
    const part = await get(learnt, debian.url + pathOf(LARGE), { Range: "bytes=1000-1999" });
    expect(part).toMatchObject({ status: 206, headers: { "content-range": `bytes 1000-1999/${debs[LARGE].length}` } });
    expect(part.body.equals(debs[LARGE].subarray(1000, 2000))).toBe(true);
    expect(isHit(await get(learnt, debian.url + pathOf(LARGE)))).toBe(true);
    expect(debian.takeRequests()).toMatchObject([{ path: pathOf(LARGE), status: 200 }]);
  });

  test("is refused when the bytes behind it are wrong", async ({ learnt, debian, debs }) => {
    debian.serve(pathOf(LARGE), bytesHandler(spoiled(debs[LARGE])));
    const part = await get(learnt, debian.url + pathOf(LARGE), { Range: "bytes=0-99" });
    expect(part).toMatchObject({ status: 502 });
    expect(part.body.toString()).toContain("DIGEST_MISMATCH");
  });

  test("passes unverified and says so when it would wait for long; the whole comes in behind", async ({
    learnt,
    debian,
    debs,
  }) => {
    debian.takeRequests();
    const url = debian.url + pathOf(HUGE);
    const part = await get(learnt, url, { Range: "bytes=1000-1999" });
    expect(part).toMatchObject({ status: 206 });
    expect(part.body.equals(debs[HUGE].subarray(1000, 2000))).toBe(true);
    expect(part.headers["cache-status"]).toContain("detail=unverified-range");

    expect((await get(learnt, url)).body.equals(debs[HUGE])).toBe(true);
    expect(isHit(await get(learnt, url, { Range: "bytes=5-6" }))).toBe(true);
    expect(bodyBytes(debian.takeRequests(), /\.deb$/)).toBe(debs[HUGE].length + 1000);
  });

  test.for([
    ["pass", LARGE, { status: 206, detail: "unverified-range" }],
    ["refuse", LARGE, { status: 206, detail: undefined }],
    ["refuse", HUGE, { status: 200, detail: undefined }],
  ] as const)(
    "by --verify-ranges %s, of %s, is %j",
    async ([policy, name, { status, detail }], { startLarder, debian, debs }) => {
      const larder = await startLarder({ flags: ["--verify-ranges", policy, "--range-wait", "2MiB"] });
      await takeIndexes(larder, debian);
      const part = await get(larder, debian.url + pathOf(name), { Range: "bytes=1000-1999" });
      expect(part).toMatchObject({ status, isWhole: true });
      expect(part.body.equals(status === 206 ? debs[name].subarray(1000, 2000) : debs[name])).toBe(true);
      expect(/detail=([a-z-]+)/.exec(String(part.headers["cache-status"]))?.[1]).toBe(detail);
    },
  );

  test("is the whole when the client has part of something else, however long", async ({ learnt, debian, debs }) => {
    for (const name of [LARGE, HUGE] as const) {
      const stale = { Range: "bytes=1000-", "If-Range": '"another"' };
      const answer = await get(learnt, debian.url + pathOf(name), stale);
      expect(answer).toMatchObject({ status: 200, isWhole: true });
      expect(answer.headers["cache-status"]).not.toContain("unverified");
      expect(answer.body.equals(debs[name])).toBe(true);
    }
  });
});

test("a declared payload has a validator of its own; the origin's is good for a 304 only", async ({
  learnt,
  debian,
  debs,
}) => {
  const url = debian.url + pathOf(SMALL);
  const { headers } = await get(learnt, url);
  const etag = `"sha256-${digestOf(debs[SMALL])}"`;
  expect(headers.etag).toBe(etag);
  const lastModified = headers["last-modified"] ?? "";
  const originEtag = (await fetch(url)).headers.get("etag") ?? "";
  debian.takeRequests();

  for (const known of [etag, originEtag])
    expect(await get(learnt, url, { "If-None-Match": known })).toMatchObject({ status: 304 });
  expect(await get(learnt, url, { "If-None-Match": '"another"' })).toMatchObject({ status: 200 });
  const Range = "bytes=0-9";
  expect(await get(learnt, url, { Range, "If-Range": etag })).toMatchObject({ status: 206 });
  for (const other of [originEtag, lastModified, '"another"'])
    expect(await get(learnt, url, { Range, "If-Range": other })).toMatchObject({ status: 200 });
  expect(debian.takeRequests()).toEqual([]);
});

describe("metadata that cannot be believed", () => {
  /** A repository whose index is what `spoil` makes of the right one. */
  const withBad = test.extend(
    "publishBad",
    ({ publisher, origin, larder }) =>
      async (name: string, spoil: (text: string, repository: AptRepository) => Promise<Buffer>) => {
        const repository = await publisher.publish(name, [{ name: SMALL }]);
        const file = join(repository.folder, INDEX, "Packages");
        const body = await spoil(await readFile(`${file}.gz`, "latin1"), repository);
        await writeFile(`${file}.gz`, body);
        await publisher.sign(repository.folder);
        serve(origin, repository);
        await get(larder, origin.url + ROOT);
        return { body, answer: await get(larder, origin.url + PACKAGES_GZ) };
      },
  );

  withBad(
    "reaches its client as it came when it is cut short; nothing is learnt",
    async ({ publishBad, origin, larder }) => {
      const { body, answer } = await publishBad("cut", async (gz) => Buffer.from(gz.slice(0, -20), "latin1"));
      expect(answer).toMatchObject({ status: 200, isWhole: true, body });
      // What is not declared is what its origin says.
      origin.serve(pathOf(SMALL), bytesHandler(Buffer.from("anything")));
      expect(await get(larder, origin.url + pathOf(SMALL))).toMatchObject({ body: Buffer.from("anything") });
      await expect
        .poll(() => larder.logged("metadata is broken; nothing is learnt from it"))
        .toMatchObject([{ uri: origin.url + PACKAGES_GZ, digest: digestOf(body) }]);
    },
  );

  withBad("declares nothing outside of its repository", async ({ publishBad, origin, larder }) => {
    const { body, answer } = await publishBad("outside", async () => Buffer.from(index("../../elsewhere.deb")));
    expect(answer).toMatchObject({ status: 200, isWhole: true, body });
    origin.serve("/elsewhere.deb", bytesHandler(Buffer.from("anything")));
    expect(await get(larder, `${origin.url}/elsewhere.deb`)).toMatchObject({ body: Buffer.from("anything") });
    const told = () => larder.log.filter(({ msg }) => String(msg).startsWith("metadata"));
    await expect.poll(told).toMatchObject([{ uri: origin.url + PACKAGES_GZ, digest: digestOf(body) }]);
  });
});

function redirectTo(location: string): Handler {
  return (_, response) => void response.writeHead(302, { Location: location }).end();
}

const index = (file: string) => `Package: elsewhere
Version: 1.0
Architecture: all
Filename: ${file}
Size: 8
SHA256: ${"0".repeat(64)}
`;
