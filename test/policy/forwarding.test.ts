import { describe, expect, test } from "vitest";
import { parseTarget } from "../../core/target.ts";
import { fieldsToClient, fieldsToOrigin, HOP_BY_HOP } from "../../policy/forwarding.ts";
import { makeRequest } from "./make.ts";

const VIA = ["Via", "1.1 larder-x"];
const AS_ASKED = { pseudonym: "larder-x", coding: "asked" } as const;

const toOrigin = (fields: readonly string[], options: Partial<Parameters<typeof fieldsToOrigin>[1]> = {}): string[] =>
  fieldsToOrigin(makeRequest(fields), { ...AS_ASKED, ...options });

describe("fields to the origin", () => {
  test("begin with a Host by the target, whatever the client sent (RFC 9112 §3.2.2)", () => {
    expect(toOrigin(["X-A", "1", "host", "elsewhere.example"])).toEqual(["Host", "repo.example", "X-A", "1", ...VIA]);
    const target = parseTarget("https://[2001:db8::1]:8443/x");
    expect(fieldsToOrigin(makeRequest([], { target }), AS_ASKED)).toEqual(["Host", "[2001:db8::1]:8443", ...VIA]);
  });

  test("keep order and case of the client's end-to-end fields, and the lines of one name apart", () => {
    const fields = ["uSeR-aGeNt", "x", "Z", "1", "A", "2", "Z", "3", "Authorization", "Basic eA=="];
    expect(toOrigin(fields)).toEqual(["Host", "repo.example", ...fields, ...VIA]);
  });

  test.each([...HOP_BY_HOP, "proxy-authorization", "proxy-authenticate"])(
    "are without %s (RFC 9110 §7.6.1)",
    (name) => {
      expect(toOrigin([name.toUpperCase(), "x"])).toEqual(["Host", "repo.example", ...VIA]);
    },
  );

  test("are without what Connection names, on whatever line and in whatever case", () => {
    const fields = ["connection", "close, X-Hop", "X-HOP", "1", "Connection", "y-hop", "Y-Hop", "2", "Z", "3"];
    expect(toOrigin(fields)).toEqual(["Host", "repo.example", "Z", "3", ...VIA]);
  });

  test("have our Via after those of the proxies before us (RFC 9110 §7.6.3)", () => {
    expect(toOrigin(["Via", "1.0 fred"])).toEqual(["Host", "repo.example", "Via", "1.0 fred", ...VIA]);
  });

  test("ask for the coding in which larder stores, else as the client does", () => {
    const accepting = ["accept-encoding", "br, gzip"];
    expect(toOrigin(accepting)).toEqual(["Host", "repo.example", ...accepting, ...VIA]);
    expect(toOrigin([])).toEqual(["Host", "repo.example", ...VIA]);
    const identity = ["Host", "repo.example", "Accept-Encoding", "identity", ...VIA];
    expect(toOrigin(accepting, { coding: "identity" })).toEqual(identity);
    expect(toOrigin([], { coding: "identity" })).toEqual(identity);
  });

  const NARROW = [
    "Range",
    "bytes=0-1",
    "If-Range",
    '"a"',
    "If-None-Match",
    '"a"',
    "If-Modified-Since",
    "x",
    "If-Match",
    "*",
    "If-Unmodified-Since",
    "x",
  ];

  test("keep the client's range and conditions unless the whole is wanted", () => {
    expect(toOrigin(NARROW)).toEqual(["Host", "repo.example", ...NARROW, ...VIA]);
    expect(toOrigin([...NARROW, "A", "1"], { whole: true })).toEqual(["Host", "repo.example", "A", "1", ...VIA]);
  });

  test("have the conditions of a revalidation in place of the client's (RFC 9111 §4.3.1)", () => {
    const conditional = ["If-None-Match", '"stored"'];
    expect(toOrigin(NARROW, { conditional })).toEqual(["Host", "repo.example", ...conditional, ...VIA]);
  });

  test("are without Expect where there is no content to wait with (RFC 9110 §10.1.1)", () => {
    const fields = ["Expect", "100-continue"];
    expect(toOrigin(fields)).toEqual(["Host", "repo.example", ...VIA]);
    expect(fieldsToOrigin(makeRequest(fields, { method: "PUT" }), AS_ASKED)).toContain("Expect");
  });
});

describe("fields to the client", () => {
  test("are the end-to-end ones in their order and case, with our Via last", () => {
    const fields = ["Server", "x", "SET-Cookie", "a=b", "Set-Cookie", "c=d", "Via", "1.1 cdn"];
    const hops = [
      "Connection",
      "keep-alive, X-Hop",
      "Keep-Alive",
      "timeout=5",
      "x-hop",
      "1",
      "Transfer-Encoding",
      "chunked",
    ];
    expect(fieldsToClient([...hops, ...fields], "larder-x")).toEqual([...fields, ...VIA]);
  });
});
