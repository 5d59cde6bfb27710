import { join } from "node:path";
import { describe, expect } from "vitest";
import { get } from "../support/client.ts";
import { Dnf } from "../support/clients/dnf.ts";
import { bytesHandler, folderDigests, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { bodyBytes } from "../support/origin.ts";
import { type IndexOptions, RpmRepository } from "../support/repositories/rpm-repository.ts";

const BASE = "/os/";
const NAME = "larder-first";
const FILE = `${NAME}-1.0-1.noarch.rpm`;
const RPM = /\.rpm$/;
const BROKEN = "metadata is broken; nothing is learnt from it";

const test = base
  .extend(
    "createRepository",
    ({ folder }) =>
      (options?: IndexOptions) =>
        RpmRepository.create(join(folder, "rpm"), [NAME], options),
  )
  .extend("serve", ({ origin }) => (repository: RpmRepository) => {
    origin.serve(BASE, folderHandler(BASE, repository.folder));
    return origin.url + BASE;
  })
  .extend("newMachine", ({ larder, caFile, folder }) => {
    let machines = 0;
    return (baseurl: string) => {
      machines += 1;
      const home = join(folder, `machine-${machines}`);
      return Dnf.create({ folder: home, proxy: larder.url, caFile, repository: { baseurl } });
    };
  });

describe("dnf and metadata as it is found", () => {
  test("packages at another base (xml:base): believed about its own host, a hit the second time", async ({
    createRepository,
    serve,
    origin,
    newMachine,
  }) => {
    const repository = await createRepository({ flags: ["--baseurl", `${origin.url}/elsewhere/`] });
    origin.serve("/elsewhere/", folderHandler("/elsewhere/", repository.folder));
    const baseurl = serve(repository);
    const published = await folderDigests(repository.packages, RPM);
    expect(await (await newMachine(baseurl)).install(NAME)).toEqual(published);
    expect(bodyBytes(origin.takeRequests(), RPM)).toBeGreaterThan(0);
    origin.serve(`/elsewhere/Packages/${FILE}`, bytesHandler(Buffer.from("another")));
    expect(await (await newMachine(baseurl)).install(NAME)).toEqual(published);
    expect(bodyBytes(origin.takeRequests(), RPM)).toBe(0);
  });

  test("packages at another host (xml:base): dnf gets them, and larder does not take the word for it", async ({
    createRepository,
    serve,
    startOrigin,
    newMachine,
    larder,
  }) => {
    const other = await startOrigin();
    const repository = await createRepository({ flags: ["--baseurl", `${other.url}/`] });
    other.serve("/", folderHandler("/", repository.folder));
    const published = await folderDigests(repository.packages, RPM);
    expect(await (await newMachine(serve(repository))).install(NAME)).toEqual(published);
    const why = (await larder.command("why", `${other.url}/Packages/${FILE}`)).stdout.toString();
    expect(why).not.toMatch(/declar.*sha256/i);
  });

  test("a location that leaves its repository (..): dnf gets it, and larder learns the rest", async ({
    createRepository,
    serve,
    origin,
    newMachine,
  }) => {
    const repository = await createRepository();
    await repository.build("larder-second");
    await repository.index();
    await repository.rewritePrimary((xml) => xml.replace(`href="Packages/${FILE}"`, `href="../pool/${FILE}"`));
    origin.serve("/pool/", folderHandler("/pool/", repository.packages));
    const published = await folderDigests(repository.packages, RPM);
    const baseurl = serve(repository);
    expect(await (await newMachine(baseurl)).install(NAME, "larder-second")).toEqual(published);
  });

  test("entities in primary.xml: it comes as it is, nothing is learnt, and one line says why", async ({
    createRepository,
    serve,
    newMachine,
    larder,
    origin,
  }) => {
    const repository = await createRepository();
    await repository.rewritePrimary((xml) =>
      xml.replace("?>", `?>\n<!DOCTYPE metadata [<!ENTITY what "a package">]>`).replace("a package of", "&what; of"),
    );
    const baseurl = serve(repository);
    const published = await folderDigests(repository.packages, RPM);
    for (const _ of ["first", "second"]) expect(await (await newMachine(baseurl)).install(NAME)).toEqual(published);
    const uri = `${baseurl}${await repository.pathOf("primary")}`;
    const reason = expect.stringMatching(/entit|DOCTYPE|declaration/i);
    await expect.poll(() => larder.logged(BROKEN)).toEqual([expect.objectContaining({ uri, reason })]);
    expect(origin.takeRequests().length).toBeGreaterThan(0);
  });

  test("a primary.xml that is cut short, although it is what repomd.xml declares: as it is, nothing learnt", async ({
    createRepository,
    serve,
    larder,
  }) => {
    const repository = await createRepository();
    await repository.rewritePrimary((xml) => xml.slice(0, xml.lastIndexOf("</package>")));
    const baseurl = serve(repository);
    await get(larder, `${baseurl}repodata/repomd.xml`);
    const path = await repository.pathOf("primary");
    const direct = await (await fetch(`${baseurl}${path}`)).arrayBuffer();
    expect((await get(larder, `${baseurl}${path}`)).body.equals(Buffer.from(direct))).toBe(true);
    await get(larder, `${baseurl}Packages/${FILE}`);
    await expect.poll(() => larder.logged(BROKEN)).toHaveLength(1);
  });

  test("sha512 throughout: installs from the store, and a 404 in between is no answer for the right bytes", async ({
    createRepository,
    serve,
    origin,
    newMachine,
    larder,
  }) => {
    const repository = await createRepository({ flags: ["--checksum", "sha512"] });
    const baseurl = serve(repository);
    const published = await folderDigests(repository.packages, RPM);
    await (await newMachine(baseurl)).update();
    const path = `${BASE}Packages/${FILE}`;
    origin.serve(path, (_, response) => {
      response.writeHead(404, { "Cache-Control": "max-age=600", ETag: '"gone"' }).end("not yet");
    });
    const gone = await get(larder, origin.url + path);
    expect({ status: gone.status, etag: gone.headers.etag }).toEqual({ status: 404, etag: '"gone"' });

    origin.serve(path, folderHandler(BASE, repository.folder));
    expect(await (await newMachine(baseurl)).install(NAME)).toEqual(published);
    await origin.stop();
    expect(await (await newMachine(baseurl)).install(NAME)).toEqual(published);
  });

  test("zchunk by many ranges in one request: a right answer, cold and warm (RFC 9110 §14.2)", async ({
    createRepository,
    serve,
    larder,
  }) => {
    const repository = await createRepository({ packing: "zck" });
    const baseurl = serve(repository);
    await get(larder, `${baseurl}repodata/repomd.xml`);
    const path = await repository.pathOf("primary_zck");
    const whole = Buffer.from(await (await fetch(baseurl + path)).arrayBuffer());
    for (const _ of ["cold", "warm"]) {
      const answer = await get(larder, baseurl + path, { Range: "bytes=0-99,150-249,300-399" });
      expect([answer.status, answer.headers["content-type"]]).toEqual([
        206,
        expect.stringMatching(/^multipart\/byteranges;/),
      ]);
      const parts = [whole.subarray(0, 100), whole.subarray(150, 250), whole.subarray(300, 400)];
      expect(parts.map((part) => answer.body.includes(part))).toEqual([true, true, true]);
      const part = await get(larder, baseurl + path, { Range: "bytes=0-99" });
      expect({ status: part.status, length: part.body.length }).toEqual({ status: 206, length: 100 });
    }
  });
});
