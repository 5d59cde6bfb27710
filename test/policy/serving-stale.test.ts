import { describe, expect, test } from "vitest";
import type { Entry } from "../../core/entry.ts";
import { mayServeStale } from "../../policy/serving-stale.ts";
import { makeContext, makeEntry, makeRequest } from "./make.ts";

describe("serving stale when the origin fails (RFC 9111 §4.2.4)", () => {
  const UNREACHABLE = { kind: "unreachable" } as const;
  const unavailable = (status: number) => ({ kind: "status", status }) as const;
  const stale = (directives: string, changes: Partial<Entry> = {}) =>
    makeEntry(["Cache-Control", directives], { agoSeconds: 100, ...changes });

  test("is allowed for anything while the origin cannot be reached", () => {
    expect(mayServeStale(stale("max-age=2"), makeRequest(), UNREACHABLE, makeContext())).toBe(true);
  });

  test("is not allowed for *other* when the origin answers 503, unless stale-if-error says so (RFC 5861 §4)", () => {
    const ask = (directives: string) =>
      mayServeStale(stale(directives), makeRequest(), unavailable(503), makeContext());
    expect(ask("max-age=2")).toBe(false);
    expect(ask("max-age=2, stale-if-error=98")).toBe(true);
    expect(ask("max-age=2, stale-if-error=97")).toBe(false);
  });

  test("honours stale-if-error and max-stale of the request", () => {
    const ask = (value: string) =>
      mayServeStale(stale("max-age=2"), makeRequest(["Cache-Control", value]), unavailable(500), makeContext());
    expect(ask("stale-if-error=98")).toBe(true);
    expect(ask("max-stale=98")).toBe(true);
    expect(ask("max-stale=97")).toBe(false);
  });

  test.each(["must-revalidate", "proxy-revalidate", "s-maxage=2", "no-cache"])("is forbidden by %s", (directive) => {
    const entry = stale(`max-age=2, stale-if-error=1000, ${directive}`);
    expect(mayServeStale(entry, makeRequest(), UNREACHABLE, makeContext())).toBe(false);
  });

  test.each(["no-cache", "max-age=0", "max-age=50", "min-fresh=1"])(
    "is forbidden by a request with %s",
    (directive) => {
      const request = makeRequest(["Cache-Control", directive]);
      expect(mayServeStale(stale("max-age=2"), request, UNREACHABLE, makeContext())).toBe(false);
    },
  );

  test.each([200, 404])("does not come into question when the origin answers %i", (status) => {
    const entry = stale("max-age=2, stale-if-error=1000");
    expect(mayServeStale(entry, makeRequest(), unavailable(status), makeContext({ class: "root" }))).toBe(false);
  });

  test("comes into question after a 429 for package files and their metadata only (RFC 5861 §4)", () => {
    const entry = stale("max-age=2, stale-if-error=1000");
    expect(mayServeStale(entry, makeRequest(), unavailable(429), makeContext())).toBe(false);
    expect(mayServeStale(entry, makeRequest(), unavailable(429), makeContext({ class: "root" }))).toBe(true);
  });

  describe.each(["root", "member", "payload"] as const)("of a %s (departure stale-package)", (resourceClass) => {
    const context = makeContext({ class: resourceClass });
    const request = makeRequest(["Cache-Control", "max-age=0"]);

    test("is allowed on 5xx and when unreachable, even under must-revalidate and for a client that sends max-age=0", () => {
      const entry = stale("max-age=2, must-revalidate");
      expect(mayServeStale(entry, request, UNREACHABLE, context)).toBe(true);
      expect(mayServeStale(entry, request, unavailable(500), context)).toBe(true);
    });

    test("follows RFC 9111 with credentials", () => {
      const entry = stale("max-age=2, must-revalidate", { realm: "someone" });
      expect(mayServeStale(entry, makeRequest([], { realm: "someone" }), UNREACHABLE, context)).toBe(false);
      const publicEntry = stale("max-age=2, must-revalidate");
      expect(mayServeStale(publicEntry, makeRequest([], { realm: "someone" }), UNREACHABLE, context)).toBe(false);
    });

    test("follows RFC 9111 for a stored error", () => {
      const entry = stale("max-age=2, must-revalidate", { status: 404 });
      expect(mayServeStale(entry, makeRequest(), UNREACHABLE, context)).toBe(false);
    });
  });
});
