import { describe, expect } from "vitest";
import { makeImage } from "../support/clients/base-image.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { noise } from "../support/noise.ts";
import { createGitRepository, gitHandler } from "../support/repositories/git-server.ts";
import { NixStore } from "../support/repositories/nix-cache.ts";
import { test as withImages } from "./container-workshop.ts";

const IMAGE = "localhost/larder-tools";
const PACKAGES = ["ca-certificates", "git", "nix-bin", "default-jre-headless", "ant"];

const test = withImages.extend("storage", { scope: "file" }, async ({ prefix: _ }) =>
  makeImage({ name: IMAGE, packages: PACKAGES }),
);

/** A Java without larder has to be told of the only way out. */
const javaProxy = (url: string) => `-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=${new URL(url).port}`;

describe("larder build", { timeout: 600_000 }, () => {
  test("git, Nix and Java trust it in RUN, and the image is the one built without", async ({
    workshop,
    parent,
    secureOrigin,
    serving,
    folder,
  }) => {
    const nix = await NixStore.create(folder);
    secureOrigin.serve("/", folderHandler("/", await nix.publish("cache", "xz")));
    await createGitRepository(folder, "repo", { README: "cloned\n" });
    secureOrigin.serve("/repo.git/", gitHandler(folder));
    secureOrigin.serve("/disk.iso", bytesHandler(noise("disk", 300_000), { "Cache-Control": "max-age=600" }));
    const url = parent.publish("files", secureOrigin);
    const nixConf = [
      "sandbox = false",
      "build-users-group =",
      `substituters = ${url}`,
      `trusted-public-keys = ${nix.publicKey}`,
    ];
    const piece = {
      from: await workshop.trusting(IMAGE),
      files: {
        "nix.conf": `${nixConf.join("\n")}\n`,
        "build.xml": `<project><get src="${url}/disk.iso" dest="/app/by-java"/></project>\n`,
      },
      containerfile: `RUN git clone --quiet ${url}/repo.git /app && rm -rf /app/.git
COPY nix.conf /etc/nix/
RUN nix-store --realise ${nix.path} && cp ${nix.path} /app/by-nix && rm -rf /nix /root/.cache
COPY build.xml /
RUN \${JAVA_TOOL_OPTIONS:+true} export ANT_OPTS="${javaProxy(parent.url)}"; ant -quiet -buildfile /build.xml
`,
    };
    const image = await workshop.mustBuild("tools", piece, { flags: ["--no-lint"] });
    const opened = () => serving.logged("exchange").map(({ target }) => String(target));
    for (const part of ["/repo.git/git-upload-pack", ".nar.xz", "/disk.iso"])
      await expect.poll(opened).toContainEqual(expect.stringContaining(part));
    expect(image).toEqual(await workshop.buildPlainly("plain", piece));
  });
});
