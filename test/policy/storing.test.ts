import { describe, expect, test } from "vitest";
import { PUBLIC_REALM } from "../../core/entry.ts";
import type { PlanContext, RequestView } from "../../policy/plan.ts";
import { type Judgement, judge } from "../../policy/storing.ts";
import { dateIn, makeContext, makeRequest, NOW_MS } from "./make.ts";

const TIMES = { requestMs: NOW_MS - 20, responseMs: NOW_MS };
const FRESH = ["Cache-Control", "max-age=60"];

interface Case {
  readonly status?: number;
  readonly request?: RequestView;
  readonly context?: Partial<PlanContext>;
}

function judged(
  fields: readonly string[],
  { status = 200, request = makeRequest(), context = {} }: Case = {},
): Judgement {
  return judge(request, { status, fields }, { ...makeContext(context), ...TIMES });
}

/** `stored`, or the reason why not. */
function verdict(fields: readonly string[], what: Case = {}): string {
  const judgement = judged(fields, what);
  return judgement.store ? "stored" : judgement.reason;
}

function storedFields(fields: readonly string[], what: Case = {}): readonly string[] | undefined {
  const judgement = judged(fields, what);
  return judgement.store ? judgement.fields : undefined;
}

const withCredentials = (realm = "someone") => makeRequest([], { realm });

describe("what may be stored (RFC 9111 §3)", () => {
  test("is the answer to a GET only", () => {
    expect(verdict(FRESH, { request: makeRequest([], { method: "HEAD" }) })).toBe("method");
    expect(verdict(FRESH, { request: makeRequest([], { method: "POST" }) })).toBe("method");
  });

  test.each([103, 206, 304])("is never a %i: it is no whole final answer", (status) => {
    expect(verdict(FRESH, { status })).toBe("status");
    expect(verdict(FRESH, { status, context: { class: "payload" } })).toBe("status");
  });

  test("is nothing that a request or response with no-store brought (§5.2.1.5, §5.2.2.5)", () => {
    expect(verdict(FRESH, { request: makeRequest(["Cache-Control", "no-store"]) })).toBe("request-no-store");
    expect(verdict(["Cache-Control", "max-age=60, No-StOrE"])).toBe("no-store");
    expect(verdict(["Cache-Control", "no-store"], { context: { class: "payload" } })).toBe("no-store");
  });

  test("is a no-store answer whose must-understand is met, and no other must-understand one (§5.2.2.3)", () => {
    const fields = ["Cache-Control", "max-age=60, no-store, must-understand"];
    expect(verdict(fields)).toBe("stored");
    expect(verdict(fields, { status: 599 })).toBe("must-understand");
    expect(verdict(["Cache-Control", "max-age=60, must-understand"], { status: 599 })).toBe("must-understand");
  });

  test("is nothing private, but what private withholds only in part (§5.2.2.7)", () => {
    expect(verdict(["Cache-Control", "private, max-age=60"])).toBe("private");
    expect(verdict(["Cache-Control", "private"], { context: { class: "root" } })).toBe("private");
    expect(verdict(["Cache-Control", 'private="x-a", max-age=60'])).toBe("stored");
  });

  test("is nothing with `Vary: *`, wherever the asterisk stands (§4.1)", () => {
    expect(verdict([...FRESH, "Vary", "*"])).toBe("vary-any");
    expect(verdict([...FRESH, "Vary", "", "Vary", "Foo, *"])).toBe("vary-any");
  });

  test.each([200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599])(
    "is a %i with explicit freshness",
    (status) => {
      expect(verdict(FRESH, { status })).toBe("stored");
    },
  );

  test("is an answer without explicit freshness only when heuristics and a validator can bring it back (§4.2.2)", () => {
    const validated = ["ETag", '"a"'];
    expect(verdict(validated)).toBe("stored");
    expect(verdict(["Last-Modified", dateIn(-100)], { status: 404 })).toBe("stored");
    expect(verdict(validated, { status: 403 })).toBe("no-freshness");
    expect(verdict([...validated, "Cache-Control", "public"], { status: 599 })).toBe("stored");
    expect(verdict([])).toBe("no-freshness");
    expect(verdict(["Cache-Control", "no-cache", ...validated])).toBe("stored");
  });

  test("is what is stale at once only when it can be revalidated, or served when the origin fails", () => {
    expect(verdict(["Cache-Control", "max-age=0"])).toBe("no-freshness");
    expect(verdict(["Cache-Control", "max-age=0", "ETag", '"a"'])).toBe("stored");
    expect(verdict(["Cache-Control", "max-age=0, stale-if-error=60"])).toBe("stored");
    expect(verdict(["Expires", "0"])).toBe("no-freshness");
  });

  test.each(["payload", "member", "root"] as const)(
    "is a %s with status 200 whatever it says of its freshness",
    (name) => {
      const context = { class: name };
      expect(verdict([], { context })).toBe("stored");
      expect(verdict(["Cache-Control", "max-age=0"], { context })).toBe("stored");
      expect(verdict([], { context, status: 404 })).toBe("no-freshness");
      expect(verdict(FRESH, { context, status: 404 })).toBe("stored");
    },
  );
});

describe("whose a stored answer is (RFC 9111 §3.5)", () => {
  test("is everybody's when it was asked for without credentials", () => {
    expect(judged(FRESH)).toMatchObject({ store: true, realm: PUBLIC_REALM });
  });

  test.each(["public, max-age=60", "s-maxage=60", "max-age=60, must-revalidate"])(
    "is everybody's although asked for with credentials, under %s",
    (directives) => {
      const judgement = judged(["Cache-Control", directives], { request: withCredentials() });
      expect(judgement).toMatchObject({ store: true, realm: PUBLIC_REALM });
    },
  );

  test("is nobody's when it was asked for with credentials and nothing allows to share it", () => {
    expect(verdict(FRESH, { request: withCredentials() })).toBe("authorization");
    expect(verdict(["Expires", dateIn(600)], { request: withCredentials() })).toBe("authorization");
  });

  test.each(["payload", "member", "root"] as const)("is the requester's for a %s (departure package-realm)", (name) => {
    const what = { request: withCredentials(), context: { class: name } };
    expect(judged(FRESH, what)).toMatchObject({ store: true, realm: "someone" });
    expect(judged(["Cache-Control", "max-age=60, must-revalidate"], what)).toMatchObject({ realm: "someone" });
    expect(judged(["Cache-Control", "max-age=60, public"], what)).toMatchObject({ realm: PUBLIC_REALM });
    expect(verdict(FRESH, { ...what, status: 404 })).toBe("authorization");
  });

  test("is in doubt after a Cookie, unless the answer says that it is meant for all", () => {
    const request = makeRequest(["Cookie", "session=1"]);
    expect(verdict(["Last-Modified", dateIn(-100)], { request })).toBe("cookie");
    expect(verdict([], { request, context: { class: "payload" } })).toBe("cookie");
    expect(verdict(FRESH, { request })).toBe("stored");
    expect(verdict(["Cache-Control", "public", "ETag", '"a"'], { request })).toBe("stored");
  });

  test("is in doubt with a Set-Cookie, unless the answer says that it is meant for all (§7.3)", () => {
    const cookie = ["Set-Cookie", "a=b", "Last-Modified", dateIn(-100)];
    expect(verdict(cookie)).toBe("cookie");
    expect(storedFields([...cookie, ...FRESH])).toContain("Set-Cookie");
  });
});

describe("which fields are stored (RFC 9111 §3.1)", () => {
  const DATED = ["Date", dateIn(0), ...FRESH];

  test("are all, in their order and case", () => {
    const fields = [
      "Server",
      "x",
      ...DATED,
      "ETag",
      '"a"',
      "Set-Cookie",
      "a=b",
      "Age",
      "3",
      "Via",
      "1.1 other",
      "X",
      "1",
      "X",
      "2",
    ];
    expect(storedFields(fields)).toEqual(fields);
  });

  test.each([
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authentication-Info",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
  ])("are without %s", (name) => {
    expect(storedFields([...DATED, name, "x"])).toEqual(DATED);
  });

  test("are without those that Connection names", () => {
    expect(storedFields([...DATED, "Connection", "a, B", "A", "1", "b", "2", "c", "3"])).toEqual([...DATED, "c", "3"]);
  });

  test("are without those that a qualified no-cache or private withholds (§5.2.2.4, §5.2.2.7)", () => {
    const fields = ["Date", dateIn(0), "Cache-Control", 'no-cache="a, b", private="c", max-age=60'];
    expect(storedFields([...fields, "A", "1", "b", "2", "C", "3", "d", "4"])).toEqual([...fields, "d", "4"]);
  });

  test.each([[[]], [["Date", "yesterday"]]])(
    "get the Date of their arrival when they have %j (RFC 9110 §6.6.1)",
    (date) => {
      expect(storedFields([...FRESH, ...date])).toEqual([...FRESH, "Date", dateIn(0)]);
    },
  );

  test("are without cookies for package files (departure package-cookies)", () => {
    expect(storedFields([...DATED, "Set-Cookie", "a=b"], { context: { class: "payload" } })).toEqual(DATED);
  });
});

describe("which variant is stored (RFC 9111 §4.1)", () => {
  test("is the one that the request's selecting fields name, with those fields as sent", () => {
    const request = makeRequest(["Accept", "text/html , */*", "Foo", "1"]);
    expect(judged([...FRESH, "Vary", "Foo, Accept"], { request })).toMatchObject({
      variant: "accept: */*,text/html\nfoo: 1\n",
      selecting: ["accept", "text/html , */*", "foo", "1"],
    });
  });
});
