import { describe, expect, test } from "vitest";
import { mayDelegate } from "../../../policy/access/delegation.ts";

const FILES = "https://files.pythonhosted.org/";

describe("who may speak about another host", () => {
  test.for([
    ["https://pypi.org/simple/a/", FILES, true],
    ["https://test.pypi.org/simple/a/", "https://test-files.pythonhosted.org/", true],
    ["https://test.pypi.org/simple/a/", FILES, false],
    ["http://pypi.org/simple/a/", FILES, false],
    ["https://pypi.org/simple/a/", "https://deb.debian.org/", false],
    ["https://evil.example/simple/a/", FILES, false],
    ["https://mirrors.fedoraproject.org/metalink", "https://any.example/", true],
    ["http://index.example/simple/a/", "http://index.example/", true],
    ["http://index.example/simple/a/", "http://index.example:8080/", false],
    ["nonsense", FILES, false],
  ] as const)("%s about %s: %s", ([from, to, isBelieved]) => {
    expect(mayDelegate(from, to, [])).toBe(isBelieved);
  });

  test("a user adds to it", () => {
    expect(mayDelegate("https://index.example/simple/a/", FILES, ["*.example"])).toBe(true);
  });
});
