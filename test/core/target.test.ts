import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toLarderError } from "../../core/errors.ts";
import { makeTarget, parseConnectTarget, parseTarget } from "../../core/target.ts";

function outcome(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    return toLarderError(error).code;
  }
}

describe("a target URI", () => {
  test.each([
    ["http://a.example:80/b", "http://a.example/b"],
    ["https://a.example:443/b", "https://a.example/b"],
    ["http://a.example:/b", "http://a.example/b"],
    ["http://a.example:080/b", "http://a.example/b"],
    ["HTTP://A.Example./b", "http://a.example/b"],
    ["http://a.example", "http://a.example/"],
    ["http://a.example?c", "http://a.example/?c"],
    ["http://a.example/b#c", "http://a.example/b"],
    ["http://[2001:DB8::1]:80/b", "http://[2001:db8::1]/b"],
  ])("has one form for what means the same: %s (RFC 9110 §4.2.3)", (written, uri) => {
    expect(parseTarget(written).uri).toBe(uri);
  });

  test.each([
    "http://a.example:443/b",
    "https://a.example:80/b",
    "https://a.example/b",
    "http://a.example/B",
    "http://a.example//b",
    "http://a.example/./b",
    "http://a.example/%62",
    "http://a.example/c/%2e%2E/b",
    "http://a.example/c/../b",
    "http://a.example/b/",
    "http://a.example/b?",
  ])("keeps what may mean another thing: %s", (uri) => {
    expect(parseTarget(uri).uri).toBe(uri);
  });

  test.each([
    ["/b", "BAD_TARGET"],
    ["ftp://a.example/b", "UNKNOWN_SCHEME"],
    ["http:///b", "BAD_TARGET"],
    ["http://a:b@a.example/", "USERINFO_IN_TARGET"],
    ["http://a.example:0/", "BAD_TARGET"],
    ["http://a.example:65536/", "BAD_TARGET"],
    ["http://a.example:8o/", "BAD_TARGET"],
    ["http://a..example\\/b", "BAD_TARGET"],
    ["http://127.1/b", "BAD_TARGET"],
    ["http://2130706433/b", "BAD_TARGET"],
    ["http://0x7f.1/b", "http://0x7f.1/b"],
    ["http://[fe80::1%25eth0]/b", "BAD_TARGET"],
    ["http://[::1/b", "BAD_TARGET"],
    ["http://a.example/b\r\nHost: evil", "BAD_TARGET"],
    ["http://a.example/b c", "BAD_TARGET"],
    ["http://a.example/b\u0000", "BAD_TARGET"],
  ])("is read no other way: %j is %s", (written, expected) => {
    expect(outcome(() => parseTarget(written).uri)).toBe(expected);
  });

  test("stays what it is when it is read again, and has the path byte for byte", () => {
    const path = fc.string({ unit: fc.constantFrom(..."aA0/.%2e?&=;:@!$'()*+,-_~[]{}|\\^`\"<>") });
    fc.assert(
      fc.property(fc.constantFrom("http", "https"), fc.integer({ min: 1, max: 65535 }), path, (scheme, port, rest) => {
        const target = makeTarget(scheme === "http" ? "http" : "https", { host: "a.example", port }, `/${rest}`);
        expect(target.path).toBe(`/${rest}`);
        expect(parseTarget(target.uri)).toEqual(target);
      }),
    );
  });
});

describe("the target of a CONNECT", () => {
  test.each([
    ["A.example.:443", { host: "a.example", port: 443 }],
    ["[::1]:8443", { host: "::1", port: 8443 }],
    ["a.example", "CONNECT_NEEDS_PORT"],
    ["a.example:", "CONNECT_NEEDS_PORT"],
    ["http://a.example:443", "BAD_TARGET"],
    ["a@b.example:443", "USERINFO_IN_TARGET"],
    ["", "BAD_TARGET"],
  ])("names a host and a port: %s", (written, expected) => {
    expect(outcome(() => parseConnectTarget(written))).toEqual(expected);
  });
});
