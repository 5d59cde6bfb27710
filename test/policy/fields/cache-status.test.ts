import { describe, expect, test } from "vitest";
import { formatCacheStatus, withCacheStatus } from "../../../policy/fields/cache-status.ts";

describe("Cache-Status (RFC 9211 §2)", () => {
  test("says of a hit how long it stays fresh", () => {
    expect(formatCacheStatus("larder", { hit: true, ttl: 376 })).toBe("larder; hit; ttl=376");
    expect(formatCacheStatus("larder", { hit: true, ttl: -412.7 })).toBe("larder; hit; ttl=-412");
  });

  test("says of what went forward why, and what became of it", () => {
    const status = { fwd: "uri-miss", fwdStatus: 304, stored: true, collapsed: true } as const;
    expect(formatCacheStatus("larder", status)).toBe("larder; fwd=uri-miss; fwd-status=304; stored; collapsed");
  });

  test("leaves out what is false or unknown", () => {
    expect(formatCacheStatus("larder", { hit: false, stored: false, collapsed: false, ttl: undefined })).toBe("larder");
  });

  test("writes a name or detail that is no token as a string (RFC 9651 §3.3.3)", () => {
    expect(formatCacheStatus("127.0.0.1:3142", { detail: "unverified-range" })).toBe(
      '"127.0.0.1:3142"; detail=unverified-range',
    );
    expect(formatCacheStatus("larder", { detail: 'say "hi" \\ there' })).toBe(
      'larder; detail="say \\"hi\\" \\\\ there"',
    );
  });

  test("cannot be broken out of by a key that holds line ends or other octets", () => {
    const member = formatCacheStatus("larder", { key: 'http://a/"\r\nX: ü\u0000' });
    expect(member).toBe('larder; key="http://a/\\"??X: ??"');
  });

  test("comes after the members of the caches nearer to the origin", () => {
    const fields = ["Cache-Status", "cdn; hit", "ETag", '"a"'];
    expect(withCacheStatus(fields, "larder; fwd=stale")).toEqual([...fields, "Cache-Status", "larder; fwd=stale"]);
  });
});
