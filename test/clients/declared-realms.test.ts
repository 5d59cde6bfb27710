import { describe, expect } from "vitest";
import { get } from "../support/client.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { bodyBytes } from "../support/origin.ts";
import { isHit, LARGE, PREFIX, pathOf, SMALL, serve, takeIndexes, test } from "./declared-debs.ts";

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
      serve(elsewhere, repository).serve(pathOf(LARGE), (request, response) => {
        if (request.headers.range === undefined) return void response.writeHead(403).end();
        // What would be taken for leave.
        response.writeHead(206, { "Content-Range": "bytes 0-0/1500922" }).end("x");
      });
      await takeIndexes(learnt, elsewhere);
      expect(await get(learnt, elsewhere.url + pathOf(LARGE))).toMatchObject({ status: 403 });
    },
  );
});
