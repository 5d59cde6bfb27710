import { describe, expect, test } from "vitest";
import { classified } from "./classified.ts";

const FILES =
  "https://files.pythonhosted.org/packages/9d/be/10918a2eac4ae9f02f6cfe6414b7a155ccd8f7f9d4380d62fd5b955065c3";
const PIP_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01";

describe("PyPI: payloads", () => {
  test.each([
    `${FILES}/requests-2.31.0-py3-none-any.whl`,
    `${FILES}/requests-2.31.0.tar.gz`,
    `${FILES}/old-1.0.zip`,
    `${FILES}/old-1.0-py2.7.egg`,
    "https://files.pythonhosted.org/packages/source/r/requests/requests-2.31.0.tar.gz",
    "https://devpi.example/root/pypi/+f/942/c5a758f98/requests-2.31.0.tar.gz",
    "https://jfrog.example/artifactory/api/pypi/pypi/packages/packages/9d/be/requests-2.31.0.tar.gz",
    "https://download.pytorch.org/whl/cu118/torch-2.1.0%2Bcu118-cp311-cp311-linux_x86_64.whl",
    "https://wheels.s3.amazonaws.com/a-1-py3-none-any.whl?X-Amz-Expires=60&X-Amz-Signature=ab",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("payload pypi identity");
    expect(classified(uri, PIP_ACCEPT)).toBe("payload pypi identity");
  });
});

describe("PyPI: members", () => {
  test.each([`${FILES}/requests-2.31.0-py3-none-any.whl.metadata`, `${FILES}/requests-2.31.0.tar.gz.metadata`])(
    "%s",
    (uri) => {
      expect(classified(uri)).toBe("member pypi identity");
    },
  );
});

describe("PyPI: roots", () => {
  test.each([
    "https://pypi.org/simple/",
    "https://pypi.org/simple/requests/",
    "https://pypi.org/simple/requests",
    "https://devpi.example/root/pypi/+simple/requests/",
    "https://jfrog.example/artifactory/api/pypi/pypi/simple/zope.interface/",
    "https://static.example/simple/requests/index.html",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("root pypi gzip");
  });

  test("are what an installer asks for as an index, wherever that lies", () => {
    expect(classified("https://download.pytorch.org/whl/cu118/torch/", PIP_ACCEPT)).toBe("root pypi gzip");
    expect(classified("https://download.pytorch.org/whl/cu118/torch/", "text/html")).toBe("other");
  });
});

describe("PyPI: what only looks like it", () => {
  test.each([
    "https://pypi.org/pypi/requests/json",
    "https://pypi.org/pypi/requests/2.31.0/json",
    "https://pypi.org/integrity/requests/2.31.0/requests-2.31.0.tar.gz/provenance",
    "https://pypi.org/project/requests/",
    "https://example.org/simple",
    "https://example.org/simple/a/b/c",
    "https://example.org/archive/v1.tar.gz",
    "https://example.org/packages/",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("other");
  });
});
