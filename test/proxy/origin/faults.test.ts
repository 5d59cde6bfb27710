import { describe, expect, test } from "vitest";
import { LarderError } from "../../../core/errors.ts";
import { originFault } from "../../../proxy/origin/faults.ts";

const systemError = (code: string) => Object.assign(new Error(`it said ${code}`), { code });

describe("the fault of an origin", () => {
  test.each([
    ["ENOTFOUND", "ORIGIN_DNS", 502],
    ["EAI_AGAIN", "ORIGIN_DNS", 502],
    ["ECONNREFUSED", "ORIGIN_REFUSED", 502],
    ["ENETUNREACH", "ORIGIN_UNREACHABLE", 502],
    ["ETIMEDOUT", "ORIGIN_CONNECT_TIMEOUT", 504],
    ["UND_ERR_HEADERS_TIMEOUT", "ORIGIN_HEADERS_TIMEOUT", 504],
    ["UND_ERR_BODY_TIMEOUT", "ORIGIN_BODY_TIMEOUT", 504],
    ["ECONNRESET", "ORIGIN_RESET", 502],
    ["CERT_HAS_EXPIRED", "ORIGIN_CERTIFICATE", 502],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "ORIGIN_CERTIFICATE", 502],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "ORIGIN_CERTIFICATE", 502],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "ORIGIN_TLS", 502],
    ["HPE_INVALID_CONSTANT", "ORIGIN_PROTOCOL", 502],
    ["SOMETHING_NEW", "ORIGIN_PROTOCOL", 502],
  ])("%s is told as %s", (code, expected, status) => {
    const fault = originFault(systemError(code), "origin.example");
    expect(fault).toMatchObject({ code: expected, status });
    expect(fault.message).toMatch(/^origin\.example: (?:its?|nothing) /);
  });

  test("is told in the system's words, and not in undici's", () => {
    expect(originFault(systemError("ENOTFOUND"), "a").message).toBe("a: it said ENOTFOUND");
    expect(originFault(systemError("UND_ERR_SOCKET"), "a").message).toMatch(/^a: it closed the connection/);
  });

  test("is found inside what happy eyeballs and undici wrap it in", () => {
    const refused = new AggregateError([systemError("ECONNREFUSED"), systemError("ENETUNREACH")]);
    const wrapped = new Error("fetch failed", { cause: refused });
    expect(originFault(wrapped, "origin.example").code).toBe("ORIGIN_REFUSED");
  });

  test("stays what it is when larder found it", () => {
    const denied = new LarderError("DESTINATION_NOT_ALLOWED", "not there");
    expect(originFault(new Error("connect", { cause: denied }), "origin.example")).toBe(denied);
  });
});
