import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as base } from "vitest";
import { type Authority, createAuthority } from "./authority.ts";
import { Larder, type LarderOptions } from "./larder.ts";
import { Origin, type OriginOptions } from "./origin.ts";

/** A new folder that every user may enter, as apt's `_apt` must. */
async function makeFolder(prefix: string): Promise<string> {
  const folder = await realpath(await mkdtemp(prefix));
  await chmod(folder, 0o755);
  return folder;
}

const removeFolder = (folder: string) => rm(folder, { recursive: true, force: true });

/**
 * `test` with what a black-box test needs; each part is made when a test names it, and taken down after it.
 * A larder that ends badly or leaves something behind fails its test.
 */
export const test = base
  .extend("prefix", { scope: "file" }, join(tmpdir(), "larder-test-"))
  /** Vouches for origins; made once a file. */
  .extend("authority", { scope: "file" }, async ({ prefix }, { onCleanup }): Promise<Authority> => {
    const folder = await makeFolder(prefix);
    onCleanup(() => removeFolder(folder));
    return createAuthority(folder);
  })
  /** Empty, for what all tests of a file share. */
  .extend("sharedFolder", { scope: "file" }, async ({ prefix }, { onCleanup }) => {
    const folder = await makeFolder(prefix);
    onCleanup(() => removeFolder(folder));
    return folder;
  })
  /** Empty, for what the test itself writes. */
  .extend("folder", async ({ prefix }, { onCleanup }) => {
    const folder = await makeFolder(prefix);
    onCleanup(() => removeFolder(folder));
    return folder;
  })
  /** Starts an origin; as many as wanted. */
  .extend("startOrigin", async ({ prefix: _ }, { onCleanup }) => {
    const origins: Origin[] = [];
    onCleanup(async () => {
      await Promise.all(origins.map((origin) => origin.stop()));
    });
    return async (options: OriginOptions = {}): Promise<Origin> => {
      const origin = await Origin.start(options);
      origins.push(origin);
      return origin;
    };
  })
  /** An http origin. */
  .extend("origin", ({ startOrigin }) => startOrigin())
  /** An https origin that the authority vouches for, under the name `localhost`. */
  .extend("secureOrigin", ({ startOrigin, authority }) =>
    startOrigin({ tls: authority.certificate("good"), name: "localhost" }),
  )
  /** Starts a larder; as many as wanted, each with a folder of its own unless told otherwise. */
  .extend("startLarder", async ({ folder, authority }, { onCleanup }) => {
    const larders: Larder[] = [];
    onCleanup(async () => {
      for (const larder of larders) if (larder.isRunning) await larder.stop();
    });
    return async (options: Partial<LarderOptions> = {}): Promise<Larder> => {
      const own = join(folder, `larder-${larders.length + 1}`);
      await mkdir(own, { recursive: true });
      const larder = await Larder.start({ folder: own, originCa: authority.caFile, ...options });
      larders.push(larder);
      return larder;
    };
  })
  /** A larder that is told nothing special. */
  .extend("larder", ({ startLarder }) => startLarder())
  /** What a client must trust to come through `larder`: its CA certificate, in a file that everybody may read. */
  .extend("caFile", async ({ larder, folder }) => {
    const file = join(folder, "larder-ca.pem");
    const response = await fetch(`${larder.url}/ca.pem`);
    if (response.status !== 200) throw new Error(`GET /ca.pem: ${response.status}`);
    await writeFile(file, await response.text());
    return file;
  });
