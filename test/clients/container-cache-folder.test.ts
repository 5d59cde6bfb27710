import { cp, mkdir, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect } from "vitest";
import { Dnf } from "../support/clients/dnf.ts";
import { findFiles, folderHandler } from "../support/files.ts";
import { bodyBytes } from "../support/origin.ts";
import { RpmRepository } from "../support/repositories/rpm-repository.ts";
import { test } from "./container-workshop.ts";

const PAYLOAD = /\.rpm$/;

describe("the four-way matrix", { timeout: 600_000 }, () => {
  test("one Containerfile builds with neither proxy nor cache folder, with each, and with both", async ({
    workshop,
    parent,
    secureOrigin,
    authority,
    folder,
  }) => {
    const repository = await RpmRepository.create(join(folder, "rpms"), ["larder-rpm"]);
    secureOrigin.serve("/rpms/", folderHandler("/rpms/", repository.folder));
    const baseurl = `${parent.publish("fedora", secureOrigin)}/rpms`;
    const piece = {
      files: { "tests.repo": `[tests]\nname=tests\nbaseurl=${baseurl}\ngpgcheck=0\n` },
      containerfile: `COPY tests.repo /etc/yum.repos.d/
RUN dnf --assumeyes --releasever=1 install --downloadonly larder-rpm \\
 && mkdir /app && cp /var/cache/dnf/*/packages/*.rpm /app && rm -rf /root/.rpmdb /var/cache/dnf/* /var/lib/dnf /var/log/*
`,
    };
    const payloads = () => bodyBytes(secureOrigin.takeRequests(), PAYLOAD) > 0;

    await workshop.buildPlainly("neither", piece);
    expect(payloads()).toBe(true);
    await workshop.mustBuild("proxy", piece, { flags: ["--no-lint"] });
    expect(payloads()).toBe(true);

    const prepared = join(folder, "prepared");
    const host = { folder: prepared, proxy: parent.url, caFile: authority.caFile, repository: { baseurl } };
    await (await Dnf.create(host)).must("install", "--downloadonly", "larder-rpm");
    const tree = join(folder, "cache/larder/dnf");
    const [payload = ""] = await findFiles(prepared, PAYLOAD);
    await cp(resolve(payload, "../../.."), tree, { recursive: true });
    const names = await readdir(tree);
    secureOrigin.takeRequests();

    await workshop.mustBuild("both", piece, { flags: ["--no-lint"] });
    await workshop.buildPlainly("folder", piece, { flags: [`--volume=${tree}:/var/cache/dnf:O`] });
    expect(payloads()).toBe(false);
    expect(await readdir(tree)).toEqual(names);
  });

  test("a RUN that does not need the folder finds its image as without: none made, none in the way", async ({
    workshop,
    folder,
  }) => {
    await workshop.buildPlainly("without", { containerfile: "RUN rm -rf /var/cache/dnf\n" });
    await mkdir(join(folder, "cache/larder/dnf"), { recursive: true });
    const piece = {
      from: "localhost/plain-without",
      containerfile: "RUN touch /app\nRUN mkdir -p /var/cache/dnf\nRUN touch /other && rm -rf /var/cache/dnf\n",
    };
    const image = await workshop.mustBuild("spared", piece);
    expect(image).toEqual(await workshop.buildPlainly("plain", piece));
  });
});
