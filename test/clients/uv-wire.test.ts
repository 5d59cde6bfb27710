import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { test as base } from "../support/fixtures.ts";
import { mustRun } from "../support/programs.ts";
import { createPythonIndex } from "../support/repositories/python-index.ts";
import { servePythonMirror } from "../support/repositories/python-mirror.ts";

const SCRIPT = join(import.meta.dirname, "../support/clients/uv-wire.py");
const WHEEL = /\.whl$/;

const test = base
  .extend("index", { scope: "file" }, ({ sharedFolder }) =>
    createPythonIndex(sharedFolder, { wheels: ["larder_wheel"], sdists: [] }),
  )
  .extend("hosts", async ({ index, startOrigin, authority }) => {
    const tls = authority.certificate("good");
    const [pages, files] = [
      await startOrigin({ tls, name: "localhost" }),
      await startOrigin({ tls, name: "localhost" }),
    ];
    await servePythonMirror({ index, pages, files });
    return { pages, files };
  })
  .extend("larder", ({ startLarder }) => startLarder({ flags: ["--delegate", "localhost"] }))
  .extend("ask", ({ hosts, larder, caFile, folder }) => async (way: "metadata" | "ranges") => {
    const args = [SCRIPT, `${hosts.pages.url}/simple/`, larder.url, caFile, way];
    return JSON.parse((await mustRun("python3", args, { cwd: folder })).toString()) as unknown;
  });

describe("what uv puts on the wire, by its source, on connections that are kept", () => {
  test.for(["metadata", "ranges"] as const)(
    "is answered right by way of %s: cold, warm, and with no host there",
    async (way, { index, hosts, ask }) => {
      const wheel = await readFile(join(index, "packages/larder_wheel-1.0-py3-none-any.whl"));
      const right = { metadata: expect.stringContaining("Name: larder_wheel"), sha256: digestOf(wheel) };
      expect(await ask(way)).toEqual(right);
      const gets = hosts.files.takeRequests().filter(({ method, path }) => method === "GET" && WHEEL.test(path));
      expect(gets).toMatchObject([{ status: 200, bodyBytes: wheel.length }]);
      expect(await ask(way)).toEqual(right);
      expect(hosts.files.takeRequests()).toEqual([]);
      for (const host of Object.values(hosts)) await host.stop();
      expect(await ask(way)).toEqual(right);
    },
  );
});
