import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { BASE_IMAGE } from "../support/clients/base-image.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { noise } from "../support/noise.ts";
import { bodyBytes, type Origin } from "../support/origin.ts";
import { AptPublisher, createAptRepository, downloadNewer, SUITE } from "../support/repositories/apt-repository.ts";
import { createNpmPackage, publishNpmPackages } from "../support/repositories/npm-registry.ts";
import { createPythonIndex } from "../support/repositories/python-index.ts";
import { RpmRepository } from "../support/repositories/rpm-repository.ts";
import { test, type Workpiece, type Workshop } from "./container-workshop.ts";

const PAYLOAD = /\.(deb|rpm|whl|tgz|iso)$/;

/** Cold, then warm, each payload once; then without larder: one Containerfile, one image. */
async function expectOnceAndNoTrace(workshop: Workshop, origin: Origin, piece: Workpiece): Promise<void> {
  const cold = await workshop.mustBuild("cold", piece, { flags: ["--no-lint"] });
  expect(bodyBytes(origin.takeRequests(), PAYLOAD)).toBeGreaterThan(0);
  // The end of this one looks into the image.
  const warm = await workshop.mustBuild("warm", piece);
  expect(bodyBytes(origin.takeRequests(), PAYLOAD)).toBe(0);
  const plain = await workshop.buildPlainly("plain", piece);
  expect([cold, warm]).toEqual([plain, plain]);
}

describe("larder build -- podman build", { timeout: 600_000 }, () => {
  test("apt installs in RUN, once and without a trace", async ({ workshop, parent, secureOrigin, folder }) => {
    const repository = await createAptRepository(folder, ["larder-deb"]);
    secureOrigin.serve("/debian/", folderHandler("/debian/", repository.folder));
    const url = `${parent.publish("debian", secureOrigin)}/debian`;
    await expectOnceAndNoTrace(workshop, secureOrigin, {
      files: { "keyring.b64": (await readFile(repository.keyring)).toString("base64") },
      containerfile: `COPY keyring.b64 /
RUN base64 -d /keyring.b64 > /etc/keyring.gpg && rm /etc/apt/sources.list \\
 && echo "deb [signed-by=/etc/keyring.gpg] ${url} ${SUITE} main" > /etc/apt/sources.list.d/tests.list \\
 && apt-get update --error-on=any && apt-get install --yes larder-deb \\
 && rm -rf /var/log/* /var/cache/*
`,
    });
  });

  test("pip installs in RUN, once and without a trace", async ({ workshop, parent, secureOrigin, folder }) => {
    const index = await createPythonIndex(folder, { wheels: ["larder_wheel"], sdists: [] });
    secureOrigin.serve("/", folderHandler("/", index));
    const url = `${parent.publish("pypi", secureOrigin)}/simple/`;
    await expectOnceAndNoTrace(workshop, secureOrigin, {
      containerfile: `RUN pip3 install --break-system-packages --no-compile --no-cache-dir --target /app --index-url ${url} larder_wheel
`,
    });
  });

  /** As many do, it sets up dnf first. librepo notes a time beside each download, as an attribute; `cp` leaves it behind. */
  test("dnf downloads in RUN, once and without a trace", async ({ workshop, parent, secureOrigin, folder }) => {
    const repository = await RpmRepository.create(join(folder, "rpms"), ["larder-rpm"]);
    secureOrigin.serve("/rpms/", folderHandler("/rpms/", repository.folder));
    const url = `${parent.publish("fedora", secureOrigin)}/rpms`;
    await expectOnceAndNoTrace(workshop, secureOrigin, {
      files: { "tests.repo": `[tests]\nname=tests\nbaseurl=${url}\ngpgcheck=0\n` },
      containerfile: `COPY tests.repo /etc/yum.repos.d/
RUN echo keepcache=1 >> /etc/dnf/dnf.conf && sed -i s/keepcache=1/keepcache=0/ /etc/dnf/dnf.conf \\
 && dnf --assumeyes --releasever=1 install --downloadonly --destdir=/tmp/rpms larder-rpm \\
 && mkdir /app && cp /tmp/rpms/*.rpm /app && rm -rf /tmp/rpms /root/.rpmdb /var/cache/dnf /var/lib/dnf /var/log/*
`,
    });
  });

  test("curl, wget and Python fetch in RUN, once and without a trace", async ({ workshop, parent, secureOrigin }) => {
    secureOrigin.serve("/disk.iso", bytesHandler(noise("disk", 300_000), { "Cache-Control": "max-age=600" }));
    const url = `${parent.publish("files", secureOrigin)}/disk.iso`;
    await expectOnceAndNoTrace(workshop, secureOrigin, {
      containerfile: `RUN mkdir /app && curl -fsSo /app/by-curl ${url} && wget -q -O /app/by-wget ${url} && touch -d @0 /app/*
RUN python3 -c "import urllib.request as r; open('/app/by-python', 'wb').write(r.urlopen('${url}').read())"
`,
    });
  });

  test("npm installs in RUN, once; its image has nothing of larder", async ({
    workshop,
    parent,
    secureOrigin,
    folder,
  }) => {
    const packages = [await createNpmPackage(folder, "larder-left")];
    const url = parent.publish("npm", secureOrigin);
    publishNpmPackages(packages, { registry: secureOrigin, filesUrl: url });
    const piece = {
      containerfile: `RUN mkdir /app && cd /app && npm install --registry ${url} --cache /tmp/npm larder-left && rm -rf /tmp/npm\n`,
    };
    const cold = await workshop.mustBuild("cold", piece, { flags: ["--no-lint"] });
    expect(bodyBytes(secureOrigin.takeRequests(), PAYLOAD)).toBeGreaterThan(0);
    const warm = await workshop.mustBuild("warm", piece);
    expect(bodyBytes(secureOrigin.takeRequests(), PAYLOAD)).toBe(0);
    expect(warm.Id).toBe(cold.Id);
  });

  test("a RUN that upgrades, reinstalls or removes ca-certificates changes nothing", async ({
    workshop,
    parent,
    secureOrigin,
    folder,
  }) => {
    const publisher = await AptPublisher.create(folder);
    const debs = [await downloadNewer(folder, "ca-certificates")];
    const repository = await publisher.publish("newer", [], { debs });
    secureOrigin.serve("/debian/", folderHandler("/debian/", repository.folder));
    secureOrigin.serve("/disk.iso", bytesHandler(noise("disk", 20_000)));
    const url = parent.publish("files", secureOrigin);
    await expectOnceAndNoTrace(workshop, secureOrigin, {
      files: { "keyring.b64": (await readFile(repository.keyring)).toString("base64") },
      containerfile: `COPY keyring.b64 /
RUN base64 -d /keyring.b64 > /etc/keyring.gpg && rm /etc/apt/sources.list \\
 && echo "deb [signed-by=/etc/keyring.gpg] ${url}/debian ${SUITE} main" > /etc/apt/sources.list.d/tests.list \\
 && apt-get update --error-on=any && apt-get upgrade --yes ca-certificates && curl -fsSO ${url}/disk.iso && rm -rf /var/log/* /var/cache/*
RUN apt-get install --yes --reinstall ca-certificates && update-ca-certificates --fresh && curl -fsSO ${url}/disk.iso && rm -rf /var/log/* /var/cache/*
RUN rm -rf /etc/ssl/certs && mkdir /etc/ssl/certs && update-ca-certificates && curl -fsSO ${url}/disk.iso && rm -rf /var/log/* /var/cache/*
RUN dpkg-query -W ca-certificates | grep larder && apt-get purge --yes ca-certificates && rm -rf /var/log/* /var/cache/*
`,
    });
  });

  test("under chroot isolation a bundle is bound over the image's own: once and without a trace", async ({
    workshop,
    parent,
    secureOrigin,
  }) => {
    secureOrigin.serve("/disk.iso", bytesHandler(noise("disk", 20_000), { "Cache-Control": "max-age=600" }));
    const url = `${parent.publish("files", secureOrigin)}/disk.iso`;
    const piece = { from: await workshop.trusting(BASE_IMAGE), containerfile: `RUN curl -fsSO ${url}\n` };
    const options = {
      flags: ["--bind-bundle", "/etc/ssl/certs/ca-certificates.crt"],
      engineFlags: ["--isolation=chroot"],
    };
    await workshop.mustBuild("cold", piece, options);
    secureOrigin.takeRequests();
    const warm = await workshop.mustBuild("warm", piece, options);
    expect(bodyBytes(secureOrigin.takeRequests(), PAYLOAD)).toBe(0);
    expect(warm).toEqual(await workshop.buildPlainly("plain", piece, { flags: options.engineFlags }));
  });

  test("what is tunnelled verifies by the image's own roots", async ({ workshop, parent, secureOrigin }) => {
    secureOrigin.serve("/disk.iso", bytesHandler(noise("disk", 20_000)));
    const url = `${parent.publish("pinned", secureOrigin)}/disk.iso`;
    const image = await workshop.mustBuild(
      "tunnelled",
      { containerfile: `RUN curl -fsSo /disk.iso ${url}\n` },
      { flags: ["--no-lint", "--tunnel", "pinned.larder.test"] },
    );
    expect(bodyBytes(secureOrigin.takeRequests(), PAYLOAD)).toBe(20_000);
    expect(image.RootFS.Layers.length).toBeGreaterThan(1);
  });

  test("an ENV of the Containerfile wins", async ({ workshop }) => {
    const image = await workshop.mustBuild("env", {
      containerfile: `ENV PIP_CERT=/mine.pem http_proxy=http://mine.invalid:1
RUN test "$PIP_CERT $http_proxy" = "/mine.pem http://mine.invalid:1" && test "$SSL_CERT_FILE" = /dev/larder/bundle.pem
`,
    });
    expect(image.Config).toMatchObject({
      Env: expect.arrayContaining(["PIP_CERT=/mine.pem", "http_proxy=http://mine.invalid:1"]),
    });
  });

  test("five builds of five services at once fetch each payload once", async ({
    workshop,
    parent,
    secureOrigin,
    serving: _,
  }) => {
    const url = parent.publish("files", secureOrigin);
    const names = ["one.iso", "two.iso", "three.iso"];
    for (const name of names)
      secureOrigin.serve(`/${name}`, bytesHandler(noise(name, 200_000), { "Cache-Control": "max-age=600" }));
    const services = ["a", "b", "c", "d", "e"].map((service) => {
      const fetches = names.map((name) => `curl -fsSO ${url}/${name}`).join(" && ");
      const containerfile = `RUN echo ${service} > /service && ${fetches}\n`;
      return workshop.mustBuild(service, { containerfile }, { flags: ["--no-lint"] });
    });
    expect(new Set((await Promise.all(services)).map(({ Id }) => Id)).size).toBe(5);
    const asked = secureOrigin.takeRequests().filter(({ path }) => PAYLOAD.test(path));
    expect(asked.map(({ path }) => path).sort()).toEqual(names.map((name) => `/${name}`).sort());
  });
});

describe("larder build -- buildah bud", { timeout: 600_000 }, () => {
  test("fetches in RUN, once and without a trace", async ({ workshop, parent, secureOrigin }) => {
    secureOrigin.serve("/disk.iso", bytesHandler(noise("disk", 20_000)));
    const piece = { containerfile: `RUN curl -fsSO ${parent.publish("files", secureOrigin)}/disk.iso\n` };
    const image = await workshop.mustBuild("by-buildah", piece, { engine: "buildah" });
    const plain = await workshop.buildPlainly("plain", piece, { engine: "buildah" });
    expect(image).toEqual(plain);
  });
});
