import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { type Answer, get as getThrough } from "../support/client.ts";
import { Dnf } from "../support/clients/dnf.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import type { Larder } from "../support/larder.ts";
import { bodyBytes } from "../support/origin.ts";
import { AptPublisher, INDEX } from "../support/repositories/apt-repository.ts";
import { RpmRepository } from "../support/repositories/rpm-repository.ts";

const PATHS = ["dists/stable/InRelease", `${INDEX}/Packages.gz`, "pool/larder-thing_1.0_all.deb"] as const;
const DEB = `/debian/${PATHS[2]}`;

const test = base
  .extend("repository", { scope: "file" }, async ({ sharedFolder }) =>
    (await AptPublisher.create(sharedFolder)).publish("repository", [{ name: "larder-thing" }]),
  )
  /** Speaks only to those who show a certificate that the tests' authority signed. */
  .extend("entitled", async ({ startOrigin, authority, repository }) => {
    const tls = authority.certificate("good");
    const entitled = await startOrigin({ tls, name: "localhost", clientAuthority: authority.caPem });
    entitled.serve("/debian/", folderHandler("/debian/", repository.folder));
    return entitled;
  })
  /** The same repository, for everyone. */
  .extend("open", async ({ startOrigin, repository }) => {
    const open = await startOrigin();
    open.serve("/debian/", folderHandler("/debian/", repository.folder));
    return open;
  })
  /** A larder that has such a certificate for `localhost`. Names of files in `larder.toml` are relative to it. */
  .extend("entitledLarder", async ({ startLarder, authority, folder }): Promise<Larder> => {
    const own = join(folder, "larder");
    const config = join(own, "config/larder");
    await mkdir(config, { recursive: true });
    const { cert, key } = authority.certificate("wrong-name");
    await writeFile(join(config, "entitlement.pem"), cert);
    await writeFile(join(config, "entitlement-key.pem"), key, { mode: 0o600 });
    await writeFile(join(config, "roots.pem"), authority.caPem);
    const table = ['[origin."localhost"]', 'clientCert = "entitlement.pem"', 'clientKey = "entitlement-key.pem"'];
    await writeFile(join(config, "larder.toml"), `${table.join("\n")}\nca = "roots.pem"\n`);
    return startLarder({ folder: own });
  });

const trustFile = (larder: Larder) => join(larder.folder, "cache/larder/trust/ca.pem");

async function get(larder: Larder, url: string): Promise<Answer> {
  return getThrough({ port: larder.port, ca: await readFile(trustFile(larder), "utf8") }, url);
}

const cacheStatus = async (larder: Larder, url: string) => String((await get(larder, url)).headers["cache-status"]);

describe("an origin that wants a client certificate", () => {
  test("is fetched from and kept for dnf, which has none", async ({
    entitledLarder,
    startOrigin,
    authority,
    folder,
    sharedFolder,
  }) => {
    const tls = authority.certificate("good");
    const entitled = await startOrigin({ tls, name: "localhost", clientAuthority: authority.caPem });
    const repository = await RpmRepository.create(join(sharedFolder, "rpm"), ["larder-rpm"]);
    entitled.serve("/rhel/", folderHandler("/rhel/", repository.folder));
    const caFile = trustFile(entitledLarder);
    const machine = async (name: string) =>
      Dnf.create({
        folder: join(folder, name),
        proxy: entitledLarder.url,
        caFile,
        repository: { baseurl: `${entitled.url}/rhel/` },
      });
    const first = await (await machine("first")).install("larder-rpm");
    expect(Object.keys(first)).toHaveLength(1);
    expect(bodyBytes(entitled.takeRequests(), /\.rpm$/)).toBeGreaterThan(0);
    expect(await (await machine("second")).install("larder-rpm")).toEqual(first);
    expect(entitled.takeRequests().filter(({ path }) => path.endsWith(".rpm"))).toEqual([]);
  });

  test("is no use without one", async ({ larder, entitled }) => {
    expect((await get(larder, `${entitled.url}${DEB}`)).status).toBe(502);
    expect(entitled.takeRequests()).toEqual([]);
  });

  test("has its answers kept apart: the same digest elsewhere is not served from them", async ({
    entitledLarder,
    entitled,
    open,
  }) => {
    for (const path of PATHS) await get(entitledLarder, `${entitled.url}/debian/${path}`);
    expect(await cacheStatus(entitledLarder, entitled.url + DEB)).toMatch(/ hit\b/);
    for (const path of PATHS.slice(0, 2)) await get(entitledLarder, `${open.url}/debian/${path}`);
    expect(await cacheStatus(entitledLarder, open.url + DEB)).toMatch(/fwd=uri-miss/);
    expect(open.takeRequests().map(({ path }) => path)).toContain(DEB);
  });

  test("is served what everybody may have", async ({ entitledLarder, entitled, open }) => {
    for (const path of PATHS) await get(entitledLarder, `${open.url}/debian/${path}`);
    for (const path of PATHS.slice(0, 2)) await get(entitledLarder, `${entitled.url}/debian/${path}`);
    expect(await cacheStatus(entitledLarder, entitled.url + DEB)).toMatch(/ hit\b/);
    expect(entitled.takeRequests().map(({ path }) => path)).not.toContain(DEB);
  });

  test("stays apart although it says that its answers are public", async ({ entitledLarder, entitled }) => {
    entitled.serve("/public", bytesHandler(Buffer.from("for subscribers"), { "Cache-Control": "public, max-age=600" }));
    await get(entitledLarder, `${entitled.url}/public`);
    expect(await cacheStatus(entitledLarder, `${entitled.url}/public`)).toMatch(/ hit\b/);
    const why = JSON.parse((await entitledLarder.command("why", "--json", `${entitled.url}/public`)).stdout.toString());
    expect(why.plan.action).toBe("serve");
    // Under another certificate, or without one, nothing is there.
    await writeFile(join(entitledLarder.folder, "config/larder/larder.toml"), "");
    await entitledLarder.stop();
    const without = await entitledLarder.command("why", "--json", `${entitled.url}/public`);
    expect(JSON.parse(without.stdout.toString())).toMatchObject({ entries: [], plan: { action: "fetch" } });
  });

  test("is not asked with larder's certificate for those whom another origin sends there", async ({
    entitledLarder,
    entitled,
    open,
  }) => {
    open.serve(DEB, (_, response) => void response.writeHead(302, { Location: `${entitled.url}${DEB}` }).end());
    const answer = await get(entitledLarder, open.url + DEB);
    expect(answer).toMatchObject({ status: 302, headers: { location: `${entitled.url}${DEB}` } });
    expect(entitled.takeRequests()).toEqual([]);
  });
});
