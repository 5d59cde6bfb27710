import { join } from "node:path";
import { describe, expect } from "vitest";
import { makeImage } from "../support/clients/base-image.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { createCargoRegistry } from "../support/repositories/cargo-registry.ts";
import { gitHandler } from "../support/repositories/git-server.ts";
import { createGoModule } from "../support/repositories/go-modules.ts";
import { test as withImages } from "./container-workshop.ts";

const IMAGE = "localhost/larder-compilers";

/** More than a gigabyte: their languages' own libraries come along. */
const test = withImages.extend("storage", { scope: "file" }, async ({ prefix: _ }) =>
  makeImage({ name: IMAGE, packages: ["ca-certificates", "cargo", "golang-go"] }),
);

describe("larder build", { timeout: 1_800_000 }, () => {
  test("cargo and Go trust it in RUN, and the image is the one built without", async ({
    workshop,
    parent,
    secureOrigin,
    serving,
    folder,
  }) => {
    const url = parent.publish("files", secureOrigin);
    const crate = await createCargoRegistry(folder, "larder-crate", `${url}/crates`);
    secureOrigin.serve("/index.git/", gitHandler(folder));
    secureOrigin.serve("/crates/larder-crate/1.0.0/download", bytesHandler(crate));
    secureOrigin.serve("/", folderHandler("/", await createGoModule(join(folder, "go"), "larder.test/module")));
    const piece = {
      from: await workshop.trusting(IMAGE),
      files: {
        "config.toml": `[source.crates-io]\nreplace-with = "tests"\n[source.tests]\nregistry = "${url}/index.git"\n`,
        "Cargo.toml": `[package]\nname = "app"\nversion = "1.0.0"\n[dependencies]\nlarder-crate = "1"\n`,
        "go.mod": "module app.test\nrequire larder.test/module v1.0.0\n",
        "app.go": 'package app\nimport _ "larder.test/module"\n',
      },
      containerfile: `COPY config.toml /root/.cargo/
COPY Cargo.toml go.mod app.go /app/
WORKDIR /app
RUN mkdir src && touch src/lib.rs && cargo fetch && cp /root/.cargo/registry/cache/*/*.crate . && rm -rf /root/.cargo/registry /root/.cargo/.package-cache
RUN GOPROXY=${url} GONOSUMDB=* go mod tidy && GOPROXY=off go mod vendor && rm -rf /root/go /root/.cache
`,
    };
    const image = await workshop.mustBuild("compilers", piece, { flags: ["--no-lint"] });
    const opened = serving.logged("exchange").map(({ target }) => String(target));
    for (const part of ["/index.git/git-upload-pack", "/larder-crate/1.0.0/download", "/module/@v/v1.0.0.zip"])
      expect(opened).toContainEqual(expect.stringContaining(part));
    expect(image).toEqual(await workshop.buildPlainly("plain", piece));
  });
});
