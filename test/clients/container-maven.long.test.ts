import { describe, expect } from "vitest";
import { makeImage } from "../support/clients/base-image.ts";
import { bytesHandler } from "../support/files.ts";
import { test as withImages } from "./container-workshop.ts";

const IMAGE = "localhost/larder-maven";

const test = withImages.extend("storage", { scope: "file" }, async ({ prefix: _ }) =>
  makeImage({ name: IMAGE, packages: ["ca-certificates", "ca-certificates-java", "maven"] }),
);

const pom = (body: string) =>
  `<project><modelVersion>4.0.0</modelVersion><groupId>test.larder</groupId><packaging>pom</packaging>${body}</project>\n`;

describe("larder build", { timeout: 1_800_000 }, () => {
  test("Maven trusts it in RUN, and the image is the one built without", async ({
    workshop,
    parent,
    secureOrigin,
    serving,
  }) => {
    const url = parent.publish("maven", secureOrigin);
    const coordinates = "<artifactId>parent</artifactId><version>1</version>";
    secureOrigin.serve("/test/larder/parent/1/parent-1.pom", bytesHandler(Buffer.from(pom(coordinates))));
    const own = `<artifactId>app</artifactId><parent><groupId>test.larder</groupId>${coordinates}<relativePath/></parent>`;
    const repository = `<repositories><repository><id>central</id><url>${url}</url></repository></repositories>`;
    const piece = {
      from: await workshop.trusting(IMAGE),
      files: { "pom.xml": pom(own + repository) },
      // A Java without larder has to be told of the only way out.
      containerfile: `COPY pom.xml /app/
RUN \${JAVA_TOOL_OPTIONS:+true} export MAVEN_OPTS="-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=${new URL(parent.url).port}"; \\
 mvn --batch-mode --file /app/pom.xml validate && cp /root/.m2/repository/test/larder/parent/1/parent-1.pom /app && rm -rf /root/.m2 /tmp/*
`,
    };
    const image = await workshop.mustBuild("maven", piece, { flags: ["--no-lint"] });
    const opened = serving.logged("exchange").map(({ target }) => String(target));
    expect(opened).toContainEqual(expect.stringContaining("/parent-1.pom"));
    expect(image).toEqual(await workshop.buildPlainly("plain", piece));
  });
});
