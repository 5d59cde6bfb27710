import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect } from "vitest";
import { releaseOf } from "../learn/learning-bench.ts";
import { get } from "../support/client.ts";
import { bytesHandler, type Fields } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { type Larder, runLarder } from "../support/larder.ts";
import { runProgram } from "../support/programs.ts";
import { Signer } from "../support/repositories/signer.ts";

const PACKAGES = "Package: a\nFilename: pool/a.deb\nSize: 1\n";
const IN_RELEASE = "/debian/dists/stable/InRelease";
const RELEASE = "/debian/dists/stable/Release";
const PACKAGES_PATH = "/debian/dists/stable/main/Packages";
const REPOMD = "/rpm/repodata/repomd.xml";
const releaseNamed = (name: string) => releaseOf({ "main/Packages": PACKAGES }, `Suite: ${name}\n`);
const repomdNamed = (name: string) =>
  `<?xml version="1.0"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>${name}</revision></repomd>\n`;

interface Got {
  readonly status: number;
  readonly text: string;
}

const test = base
  .extend("known", { scope: "file" }, ({ sharedFolder }) => Signer.create(join(sharedFolder, "known")))
  .extend("stranger", { scope: "file" }, ({ sharedFolder }) => Signer.create(join(sharedFolder, "stranger")))
  .extend("keyring", { scope: "file" }, ({ known, sharedFolder }) => known.keyring(join(sharedFolder, "keyring")))
  /** Publishes text, byte for byte, at a path of the origin. */
  .extend("publish", ({ origin }) => (path: string, body: Buffer | string, fields: Fields = {}) => {
    origin.serve(path, bytesHandler(Buffer.from(body), fields));
  })
  .extend("startWith", ({ startLarder, keyring }) => (demand: string, folder?: string): Promise<Larder> => {
    const flags = ["--verify-signatures", demand, "--keyrings", keyring];
    return startLarder({ flags, ...(folder === undefined ? {} : { folder }) });
  })
  .extend("curl", ({ folder, origin }) => async (larder: Larder, path: string, ...args: string[]): Promise<Got> => {
    const flags = ["--silent", "--proxy", larder.url, "--write-out", "\n%{http_code}", ...args];
    const { stdout } = await runProgram("curl", [...flags, origin.url + path], { cwd: folder });
    const [, text = "", status] = /^(.*)\n(\d+)$/s.exec(stdout.toString()) ?? [];
    return { status: Number(status), text };
  });

const refused = { status: 502, text: expect.stringContaining("SIGNATURE_BAD") };

describe("with --verify-signatures require", () => {
  test("an InRelease that a known key signed is served, learnt from and checked once", async ({
    startWith,
    curl,
    publish,
    known,
    origin,
  }) => {
    const larder = await startWith("require");
    const message = await known.clearsign(releaseNamed("one"));
    publish(IN_RELEASE, message);
    publish(PACKAGES_PATH, PACKAGES);
    for (let times = 0; times < 2; times++)
      expect(await curl(larder, IN_RELEASE)).toEqual({ status: 200, text: message.toString() });
    expect(await larder.command("why", `${origin.url}${PACKAGES_PATH}`)).toMatchObject({
      stdout: expect.toSatisfy((said: Buffer) => said.includes(IN_RELEASE)),
    });
    expect(larder.logged("signature")).toEqual([]);
  });

  test.for([
    ["a stranger signed", async ({ stranger }) => stranger.clearsign(releaseNamed("one"))],
    ["was changed", async ({ known }) => (await known.clearsign(releaseNamed("one"))).toString().replace("one", "two")],
    ["has more text than is signed", async ({ known }) => `${await known.clearsign(releaseNamed("one"))}Suite: two\n`],
    ["nobody signed", async () => releaseNamed("one")],
  ] as readonly (readonly [string, (who: { known: Signer; stranger: Signer }) => Promise<Buffer | string>])[])(
    "an InRelease that %s is neither served, kept nor learnt from",
    async ([, make], { startWith, curl, publish, known, stranger, origin }) => {
      const larder = await startWith("require");
      const message = await make({ known, stranger });
      for (const path of [IN_RELEASE, `${IN_RELEASE}?again`]) publish(path, message);
      expect(await curl(larder, IN_RELEASE)).toEqual(refused);
      expect(await curl(larder, `${IN_RELEASE}?again`)).toEqual(refused);
      expect(await curl(larder, IN_RELEASE, "--range", "0-9")).toEqual(refused);
      expect(await larder.stored("InRelease")).toEqual([]);
      const { stdout } = await larder.command("why", `${origin.url}${PACKAGES_PATH}`);
      expect(stdout.toString()).not.toContain(IN_RELEASE);
      const line = { code: "SIGNATURE_BAD", uri: origin.url + IN_RELEASE };
      await expect.poll(() => larder.logged("signature")).toContainEqual(expect.objectContaining(line));
    },
  );

  test("the good copy goes on being served when the origin has a bad one, and the next good one after", async ({
    startWith,
    curl,
    publish,
    known,
    stranger,
    origin,
  }) => {
    const larder = await startWith("require");
    const [one, two] = [await known.clearsign(releaseNamed("one")), await known.clearsign(releaseNamed("two"))];
    publish(IN_RELEASE, one);
    expect((await curl(larder, IN_RELEASE)).text).toBe(one.toString());
    publish(IN_RELEASE, await stranger.clearsign(releaseNamed("two")));
    const { status, headers, body } = await get(larder, origin.url + IN_RELEASE);
    expect({ status, text: body.toString() }).toEqual({ status: 200, text: one.toString() });
    expect(headers["cache-status"]).toMatch(/; hit;.*SIGNATURE_BAD/);
    publish(IN_RELEASE, two);
    expect((await curl(larder, IN_RELEASE)).text).toBe(two.toString());
  });

  test("nor does a bad one come before it that may not be stored, or that is asked for without storing", async ({
    startWith,
    curl,
    publish,
    known,
    stranger,
  }) => {
    const larder = await startWith("require");
    const one = await known.clearsign(releaseNamed("one"));
    publish(IN_RELEASE, one);
    expect((await curl(larder, IN_RELEASE)).text).toBe(one.toString());
    publish(IN_RELEASE, await stranger.clearsign(releaseNamed("two")), { "Cache-Control": "no-store" });
    const good = { status: 200, text: one.toString() };
    expect(await curl(larder, IN_RELEASE)).toEqual(good);
    expect(await curl(larder, IN_RELEASE, "--header", "Cache-Control: no-store")).toEqual(good);
    expect(await curl(larder, IN_RELEASE, "--header", "Cache-Control: no-store", "--range", "0-9")).toEqual({
      status: 206,
      text: one.toString().slice(0, 10),
    });
  });

  test("a root that may not be stored is checked all the same", async ({
    startWith,
    curl,
    publish,
    known,
    stranger,
  }) => {
    const larder = await startWith("require");
    const message = await known.clearsign(releaseNamed("one"));
    publish(IN_RELEASE, message, { "Cache-Control": "no-store" });
    expect(await curl(larder, IN_RELEASE)).toEqual({ status: 200, text: message.toString() });
    expect(await curl(larder, IN_RELEASE, "--header", "Cache-Control: no-store", "--range", "0-9")).toEqual(refused);
    publish(IN_RELEASE, await stranger.clearsign(releaseNamed("one")), { "Cache-Control": "no-store" });
    expect(await curl(larder, IN_RELEASE)).toEqual(refused);
  });

  test("a redirect is followed here, and leads nobody past the check", async ({
    startWith,
    curl,
    publish,
    known,
    stranger,
    origin,
  }) => {
    const larder = await startWith("require");
    const message = await known.clearsign(releaseNamed("one"));
    const good = { status: 200, text: message.toString() };
    publish("/elsewhere", message);
    origin.serve(IN_RELEASE, (_, response) => void response.writeHead(302, { Location: "/elsewhere" }).end(message));
    // What comes by a request that forbids storing is refused, and the good copy served instead.
    expect(await curl(larder, IN_RELEASE)).toEqual(good);
    expect(await curl(larder, IN_RELEASE, "--header", "Cache-Control: no-store")).toEqual(good);
    publish("/elsewhere", await stranger.clearsign(releaseNamed("two")));
    expect(await curl(larder, IN_RELEASE)).toEqual(good);
    origin.serve(IN_RELEASE, (_, response) => void response.writeHead(302, { Location: "ftp://x/" }).end(message));
    expect(await curl(larder, IN_RELEASE)).toEqual(good);
    origin.serve(IN_RELEASE, (_, response) => void response.writeHead(203).end("Suite: other"));
    expect(await curl(larder, IN_RELEASE, "--header", "Cache-Control: no-store")).toEqual(good);
  });

  test.for([
    [REPOMD, ".asc", repomdNamed],
    [RELEASE, ".gpg", releaseNamed],
  ] as const)(
    "%s is served with a good %s beside it only",
    async ([path, suffix, textNamed], { startWith, curl, publish, known, stranger, origin }) => {
      const larder = await startWith("require");
      publish(path, textNamed("one"));
      expect(await curl(larder, path)).toEqual(refused);
      publish(path + suffix, Buffer.alloc(300_000, "-"));
      expect(await curl(larder, path)).toEqual(refused);
      publish(path + suffix, await stranger.sign(textNamed("one")));
      expect(await curl(larder, path)).toEqual(refused);
      publish(path + suffix, await known.sign(textNamed("other")));
      expect(await curl(larder, path)).toEqual(refused);
      publish(path + suffix, await known.sign(textNamed("one")));
      expect(await curl(larder, path)).toEqual({ status: 200, text: textNamed("one") });
      expect(await larder.stored(path)).toHaveLength(2);

      // Unchanged, it is not checked again: nobody asks for its signature.
      origin.takeRequests();
      expect(await curl(larder, path)).toEqual({ status: 200, text: textNamed("one") });
      expect(origin.takeRequests().map(({ path: asked }) => asked)).toEqual([path]);
    },
  );

  test("what an earlier larder stored unchecked is checked, and good pairs hold without their origin", async ({
    startWith,
    startLarder,
    curl,
    publish,
    known,
    stranger,
    origin,
    folder,
  }) => {
    const place = join(folder, "place");
    await mkdir(place);
    const careless = await startLarder({ folder: place });
    publish(IN_RELEASE, await stranger.clearsign(releaseNamed("one")));
    expect((await curl(careless, IN_RELEASE)).status).toBe(200);
    await careless.stop();
    const careful = await startWith("require", place);
    expect(await curl(careful, IN_RELEASE)).toEqual(refused);
    publish(REPOMD, repomdNamed("one"));
    publish(`${REPOMD}.asc`, await known.sign(repomdNamed("one")));
    expect((await curl(careful, REPOMD)).status).toBe(200);
    await careful.stop();
    await origin.stop();
    const alone = await startWith("require", place);
    expect(await curl(alone, REPOMD)).toEqual({ status: 200, text: repomdNamed("one") });
    expect((await curl(alone, IN_RELEASE)).status).not.toBe(200);
  });

  test("one fetch at a time of an origin is enough for a root and its signature", async ({
    startLarder,
    keyring,
    curl,
    publish,
    known,
  }) => {
    const flags = ["--verify-signatures", "require", "--keyrings", keyring, "--fills-per-origin", "1"];
    const larder = await startLarder({ flags });
    publish(REPOMD, repomdNamed("one"));
    publish(`${REPOMD}.asc`, await known.sign(repomdNamed("one")));
    expect((await curl(larder, REPOMD)).status).toBe(200);
  });
});

describe("with --verify-signatures warn", () => {
  test("a root without a good signature is served, and told once", async ({ startWith, curl, publish, stranger }) => {
    const larder = await startWith("warn");
    const message = await stranger.clearsign(releaseNamed("one"));
    publish(IN_RELEASE, message);
    for (let times = 0; times < 2; times++)
      expect(await curl(larder, IN_RELEASE)).toEqual({ status: 200, text: message.toString() });
    await expect
      .poll(() => larder.logged("signature"))
      .toEqual([
        expect.objectContaining({ code: "SIGNATURE_BAD", reason: expect.stringContaining("not in the keyrings") }),
      ]);
  });
});

describe("without --verify-signatures", () => {
  test("nothing is run, and nobody asks for a signature", async ({ startLarder, curl, publish, origin, folder }) => {
    const trap = join(folder, "trap/gpgv");
    await mkdir(dirname(trap));
    await writeFile(trap, `#!/bin/sh\ntouch ${folder}/trapped\n`, { mode: 0o755 });
    const larder = await startLarder({ env: { PATH: dirname(trap) } });
    publish(REPOMD, repomdNamed("one"));
    expect((await curl(larder, REPOMD)).status).toBe(200);
    expect(origin.takeRequests().map(({ path }) => path)).toEqual([REPOMD]);
    await expect(readFile(join(folder, "trapped"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("at the start", () => {
  test("a demand without keyrings is refused, with the cure", async ({ folder }) => {
    const outcome = await runLarder(["serve", "--listen", "127.0.0.1:0", "--verify-signatures", "warn"], { folder });
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toMatch(/CONFIG_BAD_VALUE.*keyrings is not set; name a folder/);
  });

  test("a machine without gpgv is told which package brings it", async ({ folder, keyring }) => {
    const args = ["serve", "--listen", "127.0.0.1:0", "--verify-signatures", "require", "--keyrings", keyring];
    const outcome = await runLarder(args, { folder, env: { PATH: folder } });
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toMatch(/CONFIG_BAD_VALUE.*not installed; install the package gpgv/);
  });
});
