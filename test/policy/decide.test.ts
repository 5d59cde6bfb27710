import { describe, expect, test } from "vitest";
import type { Entry } from "../../core/entry.ts";
import { decide } from "../../policy/decide.ts";
import type { Plan, PlanContext, RequestView } from "../../policy/plan.ts";
import { variantOf } from "../../policy/selecting.ts";
import { dateIn, makeContext, makeEntry, makeRequest } from "./make.ts";

const plan = (
  entries: readonly Entry[],
  request: RequestView = makeRequest(),
  context: Partial<PlanContext> = {},
): Plan => decide(request, entries, makeContext(context));

const asking = (...directives: string[]): RequestView => makeRequest(["Cache-Control", directives.join(", ")]);
const REFUSED: Plan = { action: "refuse", code: "ONLY_IF_CACHED" };
const FRESH = makeEntry(["Cache-Control", "max-age=100", "ETag", '"a"'], { agoSeconds: 60 });
const STALE = makeEntry(["Cache-Control", "max-age=40", "ETag", '"a"'], { agoSeconds: 60 });
const STALE_WITHOUT_VALIDATOR = makeEntry(["Cache-Control", "max-age=40"], { agoSeconds: 60 });

describe("a request with nothing stored", () => {
  test("is fetched", () => {
    expect(plan([])).toEqual({ action: "fetch", reason: "uri-miss" });
  });

  test("is fetched whole although conditional: its conditions are answered from the answer (RFC 9111 §4.3.2)", () => {
    const request = makeRequest(["If-None-Match", '"a"', "If-Match", '"b"', "If-Unmodified-Since", dateIn(0)]);
    expect(plan([], request)).toEqual({ action: "fetch", reason: "uri-miss" });
  });

  test("is passed when it is a HEAD", () => {
    expect(plan([], makeRequest([], { method: "HEAD" }))).toMatchObject({ action: "pass", reason: "uri-miss" });
  });

  test("is passed under no-store (RFC 9111 §5.2.1.5)", () => {
    expect(plan([], asking("no-store"))).toMatchObject({ action: "pass", reason: "uri-miss" });
  });

  test("is refused under only-if-cached (RFC 9111 §5.2.1.7)", () => {
    expect(plan([], asking("only-if-cached"))).toEqual(REFUSED);
  });

  test.each(["payload", "member", "root"] as const)("is fetched whole for a range of a %s", (name) => {
    expect(plan([], makeRequest(["Range", "bytes=5-"]), { class: name })).toMatchObject({ action: "fetch" });
  });

  test.each([
    ["If-Range", '"a"'],
    ["If-None-Match", '"a"'],
    ["If-Modified-Since", dateIn(-1)],
    ["Range", "bytes=7-8"],
  ])("is passed for a range with %s: the origin's answer may be no such part", (name, value) => {
    const request = makeRequest(["Range", "bytes=1-2", name, value]);
    expect(plan([], request)).toEqual({ action: "pass", reason: "partial" });
  });

  test("is fetched in part for a range of anything else, unless the range is the whole", () => {
    const part = { action: "fetch", reason: "partial", isPart: true };
    expect(plan([], makeRequest(["Range", "bytes=5-"]))).toEqual(part);
    expect(plan([], makeRequest(["Range", "bytes=0-5"]))).toEqual(part);
    expect(plan([], makeRequest(["Range", "bytes=0-"]))).toEqual({ action: "fetch", reason: "uri-miss" });
  });
});

describe("a GET with content (RFC 9110 §9.3.1)", () => {
  test.each([
    ["Content-Length", "3"],
    ["Transfer-Encoding", "chunked"],
  ])("is passed, whatever is stored (%s)", (name, value) => {
    expect(plan([FRESH], makeRequest([name, value]))).toMatchObject({ action: "pass", reason: "bypass" });
  });

  test("is none when its length is 0", () => {
    expect(plan([FRESH], makeRequest(["Content-Length", "0"]))).toMatchObject({ action: "serve" });
  });
});

describe("a stored response (RFC 9111 §4)", () => {
  test("is served while it is fresh, with the seconds that are left", () => {
    expect(plan([FRESH])).toEqual({ action: "serve", entry: FRESH, freshness: "fresh", ttlSeconds: 40 });
  });

  test("is stale from the second on in which its age reaches its lifetime (§4.2)", () => {
    const entry = makeEntry(["Cache-Control", "max-age=60", "ETag", '"a"'], { agoSeconds: 60 });
    expect(plan([entry])).toMatchObject({ action: "revalidate", reason: "stale" });
  });

  test("answers a HEAD as well", () => {
    expect(plan([FRESH], makeRequest([], { method: "HEAD" }))).toMatchObject({ action: "serve" });
  });

  test("is served under no-store, which is about storing this request's answer (§5.2.1.5)", () => {
    expect(plan([FRESH], asking("no-store"))).toMatchObject({ action: "serve" });
  });

  test("is revalidated by all its validators when it is stale (§4.3.1)", () => {
    const modified = dateIn(-1000);
    const entry = makeEntry(["Cache-Control", "max-age=0", "ETag", 'W/"a"', "Last-Modified", modified]);
    expect(plan([entry])).toEqual({
      action: "revalidate",
      entry,
      conditional: ["If-None-Match", 'W/"a"', "If-Modified-Since", modified],
      reason: "stale",
    });
  });

  test("is not revalidated by a Last-Modified that is no date", () => {
    const entry = makeEntry(["Cache-Control", "max-age=0", "Last-Modified", "long ago"]);
    expect(plan([entry])).toMatchObject({ action: "revalidate", conditional: [], reason: "stale" });
  });

  test("is asked for anew when it is stale and has no validator, and stands in should the origin fail (§4.2.4)", () => {
    expect(plan([STALE_WITHOUT_VALIDATOR])).toEqual({
      action: "revalidate",
      entry: STALE_WITHOUT_VALIDATOR,
      conditional: [],
      reason: "stale",
    });
  });

  test("is freshened by a HEAD that finds it stale (§4.3.5), and left alone by a no-store request", () => {
    const head = plan([STALE], makeRequest([], { method: "HEAD" }));
    expect(head).toEqual({ action: "pass", reason: "stale", detail: "head", freshens: STALE });
    expect(plan([STALE], asking("no-store"))).toMatchObject({ action: "pass", reason: "stale" });
  });

  describe("with stale-while-revalidate (RFC 5861 §3)", () => {
    const entry = makeEntry(["Cache-Control", "max-age=40, stale-while-revalidate=30", "ETag", '"a"'], {
      agoSeconds: 60,
    });

    test("is served stale within that time, and revalidated behind the answer", () => {
      expect(plan([entry])).toMatchObject({
        action: "serve",
        freshness: "stale",
        revalidateBehind: ["If-None-Match", '"a"'],
      });
    });

    test("is revalidated first when the time is over", () => {
      const older = makeEntry(entry.fields.slice(0, 4), { agoSeconds: 71 });
      expect(plan([older])).toMatchObject({ action: "revalidate" });
    });

    test.each(["no-cache", "max-age=59", "min-fresh=1"])(
      "is revalidated first for a client that says %s",
      (directive) => {
        expect(plan([entry], asking(directive))).toMatchObject({ action: "revalidate" });
      },
    );

    test.each(["must-revalidate", "proxy-revalidate", "no-cache"])(
      "is revalidated first under %s (RFC 9111 §4.2.4)",
      (directive) => {
        const strict = makeEntry(
          ["Cache-Control", `max-age=40, stale-while-revalidate=30, ${directive}`, "ETag", '"a"'],
          { agoSeconds: 60 },
        );
        expect(plan([strict])).toMatchObject({ action: "revalidate" });
      },
    );

    test("is revalidated first when it is package metadata", () => {
      expect(plan([entry], makeRequest(), makeContext({ class: "root" }))).toMatchObject({ action: "revalidate" });
    });
  });

  test("is revalidated whole for a range (RFC 9111 §4.3.1)", () => {
    expect(plan([STALE], makeRequest(["Range", "bytes=1-2"]))).toMatchObject({ action: "revalidate" });
    const part = { action: "fetch", isPart: true };
    expect(plan([STALE_WITHOUT_VALIDATOR], makeRequest(["Range", "bytes=1-2"]))).toMatchObject(part);
  });

  test("is revalidated every time under no-cache (§5.2.2.4)", () => {
    const entry = makeEntry(["Cache-Control", "no-cache, max-age=100", "ETag", '"a"']);
    expect(plan([entry])).toMatchObject({ action: "revalidate", reason: "stale" });
  });
});

describe("request directives (RFC 9111 §5.2.1)", () => {
  test.each(["no-cache", "max-age=0", "max-age=59", "min-fresh=41"])("revalidate a fresh response: %s", (directive) => {
    expect(plan([FRESH], asking(directive))).toMatchObject({ action: "revalidate", reason: "request" });
  });

  test.each(["max-age=60", "min-fresh=40", "max-stale", "foo=bar"])("leave it be: %s", (directive) => {
    expect(plan([FRESH], asking(directive))).toMatchObject({ action: "serve", freshness: "fresh" });
  });

  test("revalidate by Pragma where there is no Cache-Control (§5.4)", () => {
    expect(plan([FRESH], makeRequest(["Pragma", "no-cache"]))).toMatchObject({ action: "revalidate" });
  });

  test("let a stale response be served as far as max-stale goes (§5.2.1.2)", () => {
    const served = { action: "serve", freshness: "stale", ttlSeconds: -20 };
    expect(plan([STALE], asking("max-stale"))).toMatchObject(served);
    expect(plan([STALE], asking("max-stale=20"))).toMatchObject(served);
    expect(plan([STALE], asking("max-stale=19"))).toMatchObject({ action: "revalidate" });
    expect(plan([STALE], asking("max-stale", "max-age=10"))).toMatchObject({ action: "revalidate" });
  });

  test.each(["must-revalidate", "proxy-revalidate", "s-maxage=40", "no-cache"])(
    "do not make a response stale-servable that forbids it: %s (§4.2.4)",
    (directive) => {
      const entry = makeEntry(["Cache-Control", `max-age=40, ${directive}`, "ETag", '"a"'], { agoSeconds: 60 });
      expect(plan([entry], asking("max-stale"))).toMatchObject({ action: "revalidate" });
    },
  );

  test("let only-if-cached have what would be served anyway, and nothing else", () => {
    expect(plan([FRESH], asking("only-if-cached"))).toMatchObject({ action: "serve" });
    expect(plan([STALE], asking("only-if-cached", "max-stale"))).toMatchObject({ action: "serve" });
    expect(plan([STALE], asking("only-if-cached"))).toEqual(REFUSED);
    expect(plan([FRESH], asking("only-if-cached", "no-cache"))).toEqual(REFUSED);
  });
});

describe("the choice among stored responses (RFC 9111 §4.1)", () => {
  const stored = (foo: string, changes: Partial<Entry> = {}): Entry => {
    const fields = ["Cache-Control", "max-age=100", "Vary", "Foo", "Date", dateIn(0)];
    const variant = variantOf(fields, makeRequest(["Foo", foo]), "asked")?.variant ?? "";
    return makeEntry(fields, { variant, ...changes });
  };

  test("is by the fields that Vary names", () => {
    const [one, two] = [stored("1"), stored("2")];
    expect(plan([one, two], makeRequest(["Foo", "2"]))).toMatchObject({ action: "serve", entry: two });
    expect(plan([one, two], makeRequest(["Foo", "3"]))).toEqual({ action: "fetch", reason: "vary-miss" });
    expect(plan([one, two])).toEqual({ action: "fetch", reason: "vary-miss" });
  });

  test("is for the newest, which comes first, where several are selected", () => {
    const [newer, older] = [makeEntry(FRESH.fields), FRESH];
    expect(plan([newer, older])).toMatchObject({ entry: newer });
  });

  test("is for the requester's own realm before the public one", () => {
    const [open, own] = [makeEntry(FRESH.fields), makeEntry(FRESH.fields, { realm: "me" })];
    expect(plan([open, own], makeRequest([], { realm: "me" }))).toMatchObject({ entry: own });
    expect(plan([open], makeRequest([], { realm: "me" }))).toMatchObject({ entry: open });
  });

  test("never shows another realm's, not even by the reason of the miss (RFC 9211 §6)", () => {
    const own = makeEntry(FRESH.fields, { realm: "me" });
    expect(plan([own])).toEqual({ action: "fetch", reason: "uri-miss" });
    expect(plan([own], makeRequest([], { realm: "you" }))).toEqual({ action: "fetch", reason: "uri-miss" });
    expect(plan([own], asking("only-if-cached"))).toEqual(REFUSED);
  });

  test("does not show one with credentials the error that the public was given", () => {
    const hidden = makeEntry(FRESH.fields, { status: 404 });
    expect(plan([hidden])).toMatchObject({ action: "serve" });
    expect(plan([hidden], makeRequest([], { realm: "me" }))).toEqual({ action: "fetch", reason: "uri-miss" });
  });
});

describe("a root", () => {
  const root = (fields: readonly string[], rootFreshForMs = 300_000): Plan =>
    plan([makeEntry(fields, { agoSeconds: 60 })], makeRequest(), { class: "root", rootFreshForMs });

  test("is served for its explicit lifetime, rootFreshFor at most", () => {
    expect(root(["Cache-Control", "max-age=100", "ETag", '"a"'])).toMatchObject({ action: "serve", ttlSeconds: 40 });
    expect(root(["Cache-Control", "max-age=9000", "ETag", '"a"'])).toMatchObject({ ttlSeconds: 240 });
    expect(root(["Cache-Control", "max-age=9000", "ETag", '"a"'], 60_000)).toMatchObject({ action: "revalidate" });
    expect(root(["Cache-Control", "max-age=9000", "ETag", '"a"'], 0)).toMatchObject({ action: "revalidate" });
  });

  test("is revalidated where the origin says nothing, however old it is", () => {
    expect(root(["Last-Modified", dateIn(-9_000_000)])).toMatchObject({ action: "revalidate", reason: "stale" });
  });
});
