import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { get, open } from "../support/client.ts";
import { spoiled } from "../support/faults.ts";
import { bytesHandler, folderDigests } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { bodyBytes, type Origin } from "../support/origin.ts";
import { runProgram } from "../support/programs.ts";
import { createPythonIndex } from "../support/repositories/python-index.ts";
import { type PythonMirrorOptions, servePythonMirror } from "../support/repositories/python-mirror.ts";

const NAMES = ["larder_wheel", "larder_sdist"];
const WHEEL = "larder_wheel-1.0-py3-none-any.whl";
const FILE = /\.(whl|tar\.gz)$/;
const PAGE = "/simple/larder-wheel/";

const test = base
  .extend("index", { scope: "file" }, ({ sharedFolder }) =>
    createPythonIndex(sharedFolder, { wheels: ["larder_wheel"], sdists: ["larder_sdist"] }),
  )
  .extend("published", ({ index }) => folderDigests(join(index, "packages"), FILE))
  .extend("wheel", ({ index }) => readFile(join(index, "packages", WHEEL)))
  /** Starts an index and the host of its files. */
  .extend("startMirror", ({ startOrigin, authority, index }) => {
    return async (name: string, options: Partial<PythonMirrorOptions> = {}) => {
      const tls = authority.certificate("good");
      const [pages, files] = [await startOrigin({ tls, name }), await startOrigin({ tls, name })];
      await servePythonMirror({ index, pages, files, ...options });
      return { pages, files };
    };
  })
  .extend("larder", ({ startLarder }) => startLarder({ flags: ["--delegate", "localhost", "--delegate", "127.0.0.1"] }))
  .extend("through", async ({ larder, caFile }) => ({ port: larder.port, ca: await readFile(caFile, "utf8") }))
  /** Has pip download everything on a machine that has never done so. */
  .extend("download", ({ larder, caFile, folder }) => {
    let machines = 0;
    return async (pages: Origin) => {
      machines += 1;
      const home = join(folder, `machine-${machines}`);
      await mkdir(home);
      const from = ["--index-url", `${pages.url}/simple/`, "--proxy", larder.url, "--cert", caFile, "--retries", "1"];
      const args = ["download", "--isolated", "--no-deps", "--no-cache-dir", "--dest", home, ...from, ...NAMES];
      const outcome = await runProgram("pip3", args, { cwd: home, env: { PIP_CONFIG_FILE: "/dev/null" } });
      return { ...outcome, files: await folderDigests(home, FILE) };
    };
  });

describe.for(["json", "html"] as const)("pip, by pages in %s", (form) => {
  test("gets each file from the network once, whichever index names it, and all of it when none is there", async ({
    startMirror,
    download,
    published,
  }) => {
    const one = await startMirror("localhost", { forms: [form] });
    const other = await startMirror("127.0.0.1", { forms: [form] });
    expect((await download(one.pages)).files).toEqual(published);
    expect(bodyBytes(one.files.takeRequests(), FILE)).toBeGreaterThan(0);
    expect((await download(one.pages)).files).toEqual(published);
    expect((await download(other.pages)).files).toEqual(published);
    expect([...one.files.takeRequests(), ...other.files.takeRequests()].filter(({ path }) => FILE.test(path))).toEqual(
      [],
    );
    for (const { pages, files } of [one, other]) await Promise.all([pages.stop(), files.stop()]);
    expect((await download(one.pages)).files).toEqual(published);
    expect((await download(other.pages)).files).toEqual(published);
  });

  test("fails when the file is not what the page declares, and gets it when another index has it right", async ({
    startMirror,
    download,
    published,
    wheel,
    larder,
    through,
  }) => {
    const bad = await startMirror("localhost", { forms: [form] });
    bad.files.serve(`/files/${WHEEL}`, bytesHandler(spoiled(wheel)));
    expect(await download(bad.pages)).toMatchObject({ code: 1, files: {} });
    expect(await larder.stored(".whl")).not.toContainEqual({ uri: expect.stringMatching(/\.whl$/) });
    expect(await larder.counters()).toMatchObject({ mismatches: 1 });

    const good = await startMirror("127.0.0.1", { forms: [form] });
    expect(await get(through, good.pages.url + PAGE, { Accept: "text/html" })).toMatchObject({ status: 200 });
    expect((await download(bad.pages)).files).toEqual(published);
    expect(bodyBytes(good.files.takeRequests(), /\.whl$/)).toBe(wheel.length);
  });

  test("is declared by name, to whoever asks why", async ({ startMirror, larder, through }) => {
    const { pages, files } = await startMirror("localhost", { forms: [form] });
    await get(through, pages.url + PAGE);
    const why = await larder.command("why", "--json", `${files.url}/files/${WHEEL}`);
    expect(JSON.parse(why.stdout.toString())).toMatchObject({
      declaration: { kind: "payload", algorithm: "sha256", root: { uri: pages.url + PAGE } },
      plan: { action: "fetch" },
    });
  });
});

describe("a wheel", () => {
  test.for(["application/vnd.pypi.simple.v1+json", "text/html"])(
    "is answered by parts when it is small, also where its page (%s) does not tell that, and HEAD says so",
    async (Accept, { startMirror, through, wheel }) => {
      const { pages, files } = await startMirror("localhost");
      await get(through, pages.url + PAGE, { Accept });
      const url = `${files.url}/files/${WHEEL}`;
      const part = await get(through, url, { Range: "bytes=-100" });
      expect(part).toMatchObject({ status: 206, body: wheel.subarray(-100) });
      expect(files.takeRequests()).toMatchObject([{ status: 200, bodyBytes: wheel.length }]);
      const head = await open(through, url, {});
      expect(head.headers).toMatchObject({ "accept-ranges": "bytes", "content-length": String(wheel.length) });
      head.destroy();
    },
  );

  test("has metadata beside it that is checked by a digest of its own", async ({ startMirror, through }) => {
    const { pages, files } = await startMirror("localhost");
    await get(through, pages.url + PAGE);
    const url = `${files.url}/files/${WHEEL}.metadata`;
    files.serve(`/files/${WHEEL}.metadata`, bytesHandler(Buffer.from("Metadata-Version: 2.1\nName: another\n")));
    expect(await get(through, url)).toMatchObject({ status: 502 });
  });

  test.for([
    ["sha512", "sha256"],
    ["sha256", "sha512"],
    ["md5", "sha256"],
  ] as const)(
    "that came declared by %s is there for who has its %s",
    async ([first, second], { startMirror, through, wheel }) => {
      const one = await startMirror("localhost", { algorithm: first });
      const other = await startMirror("127.0.0.1", { algorithm: second });
      for (const { pages, files } of [one, other]) {
        await get(through, pages.url + PAGE);
        expect((await get(through, `${files.url}/files/${WHEEL}`)).body.equals(wheel)).toBe(true);
      }
      expect(other.files.takeRequests()).toEqual([]);
    },
  );

  test("that is declared by a weak digest is kept for who asks the same place, and for nobody else", async ({
    startMirror,
    through,
    wheel,
  }) => {
    const one = await startMirror("localhost", { algorithm: "md5" });
    const other = await startMirror("127.0.0.1", { algorithm: "md5" });
    for (const { pages, files } of [one, other]) {
      await get(through, pages.url + PAGE);
      for (const _ of ["cold", "warm"])
        expect((await get(through, `${files.url}/files/${WHEEL}`)).body.equals(wheel)).toBe(true);
      expect(files.takeRequests()).toHaveLength(1);
    }
    one.files.serve(`/files/${WHEEL}`, bytesHandler(spoiled(wheel)));
  });
});
