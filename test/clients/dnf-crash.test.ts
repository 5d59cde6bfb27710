import { createHash } from "node:crypto";
import { join } from "node:path";
import { expect } from "vitest";
import { get } from "../support/client.ts";
import { Dnf } from "../support/clients/dnf.ts";
import { folderDigests, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import type { Larder } from "../support/larder.ts";
import { bodyBytes } from "../support/origin.ts";
import { RpmRepository } from "../support/repositories/rpm-repository.ts";

const BASE = "/os/";
const NAME = "larder-first";
const RPM = /\.rpm$/;
const OTHERS = 20_000;
const [FIRST, LAST] = ["other-0", `other-${OTHERS - 1}`];

const test = base.extend("repository", async ({ folder }) => {
  const repository = await RpmRepository.create(join(folder, "rpm"), [NAME]);
  await repository.rewritePrimary(withOthers);
  return repository;
});

test("killed while it reads a large primary.xml, larder believes all of it or nothing, and dnf installs", async ({
  repository,
  origin,
  startLarder,
  folder,
}) => {
  origin.serve(BASE, folderHandler(BASE, repository.folder));
  const baseurl = origin.url + BASE;
  const primary = await repository.pathOf("primary");
  const published = await folderDigests(repository.packages, RPM);

  let larder = await startLarder();
  for (const _ of ["first", "second"]) {
    await get(larder, `${baseurl}repodata/repomd.xml`);
    expect((await get(larder, baseurl + primary)).status).toBe(200);
    await larder.kill();
    larder = await startLarder({ folder: larder.folder });
    expect(await isDeclared(larder, `${baseurl}Packages/${FIRST}.rpm`)).toBe(
      await isDeclared(larder, `${baseurl}Packages/${LAST}.rpm`),
    );
  }

  for (const machine of ["one", "another"]) {
    const home = join(folder, machine);
    const caFile = join(folder, "none.pem");
    const dnf = await Dnf.create({ folder: home, proxy: larder.url, caFile, repository: { baseurl } });
    expect(await dnf.install(NAME)).toEqual(published);
  }
  expect(bodyBytes(origin.takeRequests(), RPM)).toBeGreaterThan(0);
  for (const name of [FIRST, LAST]) expect(await isDeclared(larder, `${baseurl}Packages/${name}.rpm`)).toBe(true);
});

/** Puts packages that are nowhere around the real one. */
function withOthers(xml: string): string {
  const start = xml.indexOf("<package ");
  const end = xml.indexOf("</package>") + "</package>".length;
  const real = xml.slice(start, end);
  const others = Array.from({ length: OTHERS }, (_, index) => {
    const name = `other-${index}`;
    const digest = createHash("sha256").update(name).digest("hex");
    return real
      .replaceAll(NAME, name)
      .replace(/[0-9a-f]{64}/, digest)
      .replace(/Packages\/[^"]+/, `Packages/${name}.rpm`);
  });
  const middle = OTHERS / 2;
  const packages = [...others.slice(0, middle), real, ...others.slice(middle)].join("\n");
  return xml.slice(0, start).replace('packages="1"', `packages="${OTHERS + 1}"`) + packages + xml.slice(end);
}

async function isDeclared(larder: Larder, url: string): Promise<boolean> {
  const { stdout } = await larder.command("why", url);
  return /^declar/im.test(stdout.toString());
}
