import { describe, expect, test } from "vitest";
import { classified } from "./classified.ts";

const NPM_ACCEPT = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";

describe("npm: payloads", () => {
  test.each([
    "https://registry.npmjs.org/left-pad/-/left-pad-1.3.0.tgz",
    "https://registry.npmjs.org/@babel/core/-/core-7.23.0.tgz",
    "https://registry.npmjs.org/@babel%2fcore/-/core-7.23.0.tgz",
    "https://verdaccio.example:4873/@scope/name/-/name-1.0.0.tgz",
    "https://gitlab.example/api/v4/projects/1/packages/npm/@s/n/-/@s/n-1.0.0.tgz",
    "https://npm.pkg.github.com/download/@octo/name/1.0.0/0123456789abcdef",
    "https://npm.jsr.io/~/11/@jsr/std__fs/1.0.0.tgz",
    "https://blobs.example/left-pad/-/left-pad-1.3.0.tgz?sig=a%2Fb&se=2024",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("payload npm identity");
    expect(classified(uri, NPM_ACCEPT)).toBe("payload npm identity");
  });
});

describe("npm: roots", () => {
  test.each([
    "https://registry.npmjs.org/left-pad",
    "https://registry.npmjs.org/@babel%2fcore",
    "https://registry.npmjs.org/@babel%2Fcore",
    "https://registry.npmjs.org/@babel/core",
    "https://registry.yarnpkg.com/lodash.merge",
    "https://registry.npmjs.org/simple",
    "https://registry.npmjs.org/Release",
    "https://verdaccio.example:4873/@scope%2fname",
    "https://jfrog.example/artifactory/api/npm/npm/@scope%2fname",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("root npm gzip");
  });

  test("are what an installer asks for as a packument, at any registry", () => {
    expect(classified("https://verdaccio.example:4873/left-pad", NPM_ACCEPT)).toBe("root npm gzip");
    expect(classified("https://verdaccio.example:4873/left-pad", "application/json")).toBe("other");
  });
});

describe("npm: what is no package", () => {
  test.each([
    "https://registry.npmjs.org/-/npm/v1/security/advisories/bulk",
    "https://registry.npmjs.org/-/npm/v1/keys",
    "https://registry.npmjs.org/-/v1/search?text=a",
    "https://registry.npmjs.org/-/package/left-pad/dist-tags",
    "https://registry.npmjs.org/",
    "https://gitlab.example/group/project/-/archive/v1/project-v1.tgz",
    "https://charts.example/nginx-1.0.0.tgz",
    "https://example.org/@someone",
  ])("%s", (uri) => {
    expect(classified(uri, "*/*")).toBe("other");
  });

  test("lies under /-/ even where a packument is asked for", () => {
    expect(classified("https://verdaccio.example:4873/-/npm/v1/keys", NPM_ACCEPT)).toBe("other");
  });
});
