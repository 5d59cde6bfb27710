import { join } from "node:path";
import { expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { makeUnreadable } from "../../storage/maintenance/keeping.ts";
import { get } from "../../support/client.ts";
import { bytesHandler } from "../../support/files.ts";
import { noise } from "../../support/noise.ts";
import { test } from "../workbench.ts";

/** Too long to be kept in memory. */
const BODY = noise("unreadable", 200_000);
const PAGE = "/simple/larder-wheel/";
const WHEEL = "/files/larder_wheel-1.0-py3-none-any.whl";
const page = Buffer.from(`<!DOCTYPE html><html><body><a href="${WHEEL}#sha256=${digestOf(BODY)}">a</a></body></html>`);

test.for([
  ["what a repository declares", WHEEL],
  ["what nobody declares", "/image.raw"],
] as const)(
  "%s comes from its origin while its blob cannot be read, and from the store again after that",
  async ([, path], { folder, origin, startLarder }) => {
    const rootDir = join(folder, "root");
    const larder = await startLarder({ rootDir });
    const fields = { "Cache-Control": "max-age=600" };
    origin.serve(PAGE, bytesHandler(page, { ...fields, "Content-Type": "text/html" }));
    origin.serve(path, bytesHandler(BODY, fields));
    const take = () => get(larder, origin.url + path);
    await get(larder, origin.url + PAGE);
    await take();
    expect((await take()).headers["cache-status"]).toMatch(/; hit/);
    origin.takeRequests();

    const mend = await makeUnreadable(rootDir, digestOf(BODY));
    const unread = await take();
    expect([unread.status, unread.isWhole, unread.body.equals(BODY)]).toEqual([200, true, true]);
    expect(unread.headers["cache-status"]).toContain("; fwd=uri-miss");
    expect(origin.takeRequests()).toHaveLength(1);

    await mend();
    const read = await take();
    expect([read.body.equals(BODY), read.headers["cache-status"]]).toEqual([true, expect.stringMatching(/; hit/)]);
    expect(origin.takeRequests()).toEqual([]);
  },
);
