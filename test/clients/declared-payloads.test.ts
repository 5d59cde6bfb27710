import { EventEmitter, once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { type Answer, get, type Through } from "../support/client.ts";
import { spoiled } from "../support/faults.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { bodyBytes, type Handler, type Origin } from "../support/origin.ts";
import { AptPublisher, type AptRepository, INDEX } from "../support/repositories/apt-repository.ts";

const [SMALL, LARGE, HUGE] = ["larder-small", "larder-large", "larder-huge"] as const;
/** Small enough to be held back whole, larger than what is held back, and too long for a range to wait for. */
const PACKAGES = [{ name: SMALL }, { name: LARGE, bytes: 1_500_000 }, { name: HUGE, bytes: 17 * 1024 * 1024 }];
const PREFIX = "/debian/";
const ROOT = "/debian/dists/stable/InRelease";
const PACKAGES_GZ = `/debian/${INDEX}/Packages.gz`;
const pathOf = (name: string) => `/debian/pool/${name}_1.0_all.deb`;

const test = base
  .extend("publisher", { scope: "file" }, ({ sharedFolder }) => AptPublisher.create(sharedFolder))
  .extend("repository", { scope: "file" }, ({ publisher }) => publisher.publish("repository", PACKAGES))
  .extend("debs", { scope: "file" }, async ({ repository }) => {
    const read = (name: string) => readFile(join(repository.folder, "pool", `${name}_1.0_all.deb`));
    return { [SMALL]: await read(SMALL), [LARGE]: await read(LARGE), [HUGE]: await read(HUGE) };
  })
  /** An http origin with the repository. */
  .extend("debian", ({ origin, repository }) => serve(origin, repository))
  /** The way through a larder that has read what the repository declares. */
  .extend("learnt", async ({ larder, debian }) => {
    await takeIndexes(larder, debian);
    return larder;
  });

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

describe("whose a declared payload is", () => {
  test("it is stored although its origin says no-store, when it was asked for without credentials", async ({
    learnt,
    debian,
    debs,
  }) => {
    debian.serve(pathOf(SMALL), bytesHandler(debs[SMALL], { "Cache-Control": "no-store" }));
    await get(learnt, debian.url + pathOf(SMALL));
    debian.takeRequests();
    expect(isHit(await get(learnt, debian.url + pathOf(SMALL)))).toBe(true);
    expect(debian.takeRequests()).toEqual([]);
  });

  test("what came with credentials is for those alone: whoever has others is asked of the origin", async ({
    larder,
    origin,
    repository,
    debs,
  }) => {
    const [mine, theirs] = ["Basic bWluZQ==", "Basic dGhlaXJz"];
    origin.serve(PREFIX, async (request, response) => {
      const { authorization } = request.headers;
      const mayRead = authorization === mine || (authorization === theirs && !request.url?.endsWith(".deb"));
      if (mayRead) await folderHandler(PREFIX, repository.folder)(request, response);
      else response.writeHead(403).end();
    });
    const url = origin.url + pathOf(SMALL);
    for (const Authorization of [mine, theirs]) await takeIndexes(larder, origin, { Authorization });
    expect((await get(larder, url, { Authorization: mine })).body.equals(debs[SMALL])).toBe(true);
    expect(isHit(await get(larder, url, { Authorization: mine }))).toBe(true);

    origin.takeRequests();
    expect(await get(larder, url, { Authorization: theirs })).toMatchObject({ status: 403 });
    expect(await get(larder, url)).toMatchObject({ status: 403 });
    // Whoever has read the index asks whether the stored package may be had, and then for the package itself.
    const asked = origin
      .takeRequests()
      .map(({ status, headers: { authorization, range } }) => ({ status, authorization, range }));
    const refused = (authorization?: string) => [
      { status: 403, authorization, range: "bytes=0-0" },
      { status: 403, authorization, range: undefined },
    ];
    expect(asked).toEqual([...refused(theirs), ...refused().slice(1)]);
  });
});

describe("a pre-signed URL of a declared payload", () => {
  const signed = (url: string, signature: string) => `${url}${pathOf(LARGE)}?Expires=1&Signature=${signature}`;
  const withSigning = test.extend("bucket", ({ debian, repository }) => {
    const answer = folderHandler(PREFIX, repository.folder);
    debian.serve(PREFIX, (request, response) => {
      const mayHave = !request.url?.includes(".deb") || /[?&]Signature=(mine|yours)$/.test(request.url);
      if (mayHave) return answer(request, response);
      response.writeHead(403).end();
    });
    return debian;
  });

  withSigning(
    "is fetched once: for another signature the origin gives leave, and one byte",
    async ({ learnt, bucket, debs }) => {
      expect((await get(learnt, signed(bucket.url, "mine"))).body.equals(debs[LARGE])).toBe(true);
      // For another realm it is there when it is committed, a moment after its last byte went out.
      await expect.poll(() => learnt.stored(".deb")).toHaveLength(1);
      bucket.takeRequests();
      const other = await get(learnt, signed(bucket.url, "yours"));
      expect(other).toMatchObject({ status: 200, isWhole: true });
      expect(other.body.equals(debs[LARGE])).toBe(true);
      expect(bodyBytes(bucket.takeRequests(), /\.deb/)).toBe(1);
      expect(isHit(await get(learnt, signed(bucket.url, "yours")))).toBe(true);
      expect(bucket.takeRequests()).toEqual([]);
    },
  );

  withSigning(
    "makes nothing public: whoever has no signature, or a wrong one, is told what the origin says",
    async ({ learnt, bucket, repository, startOrigin }) => {
      await get(learnt, signed(bucket.url, "mine"));
      expect(await get(learnt, signed(bucket.url, "nobodys"))).toMatchObject({ status: 403 });
      expect(await get(learnt, bucket.url + pathOf(LARGE))).toMatchObject({ status: 403 });
      // Nor does a digest that somebody else declares open it.
      const elsewhere = await startOrigin();
      serve(elsewhere, repository).serve(pathOf(LARGE), (_, response) => {
        response.writeHead(206, { "Content-Range": "bytes 0-0/1500922" }).end("x");
      });
      await takeIndexes(learnt, elsewhere);
      expect(await get(learnt, elsewhere.url + pathOf(LARGE))).toMatchObject({ status: 206, body: Buffer.from("x") });
    },
  );
});

function serve(origin: Origin, repository: AptRepository): Origin {
  origin.serve(PREFIX, folderHandler(PREFIX, repository.folder));
  return origin;
}

/** As apt does it; a payload that is asked for next has been declared. */
async function takeIndexes(through: Through, { url }: Origin, headers = {}): Promise<void> {
  for (const path of [ROOT, PACKAGES_GZ])
    expect(await get(through, url + path, headers)).toMatchObject({ status: 200, isWhole: true });
}

function redirectTo(location: string): Handler {
  return (_, response) => void response.writeHead(302, { Location: location }).end();
}

function isHit({ headers }: Answer): boolean {
  return /; hit\b/.test(String(headers["cache-status"]));
}

const index = (file: string) => `Package: elsewhere
Version: 1.0
Architecture: all
Filename: ${file}
Size: 8
SHA256: ${"0".repeat(64)}
`;
