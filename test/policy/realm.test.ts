import { describe, expect, test } from "vitest";
import { PUBLIC_REALM } from "../../core/entry.ts";
import { parseTarget } from "../../core/target.ts";
import { realmOf, sharedRealmOf } from "../../policy/realm.ts";

const TARGET = parseTarget("https://npm.example/a");

describe("realms", () => {
  test("are public without credentials", () => {
    expect(realmOf(TARGET, { accept: "*/*", "proxy-authorization": "Basic eA==" })).toBe(PUBLIC_REALM);
  });

  test("are public with a cookie: content networks hand them to everyone", () => {
    expect(realmOf(TARGET, { cookie: "__cf_bm=1" })).toBe(PUBLIC_REALM);
  });

  test("are of a signed query as of any credentials, whatever else the query says", () => {
    const signed = (query: string) => realmOf(parseTarget(`https://npm.example/a?${query}`), {});
    expect(signed("x=1")).toBe(PUBLIC_REALM);
    expect(signed("x=1&Signature=s")).toBe(signed("Signature=s"));
    expect(signed("Signature=s")).not.toBe(signed("Signature=t"));
    expect(signed("Signature=s")).toMatch(/^[0-9a-f]{64}$/);
  });

  test("are shared by those who sign nothing, and by nobody who does", () => {
    const target = parseTarget("https://npm.example/a?Signature=s");
    expect(sharedRealmOf(target, undefined)).toBe(PUBLIC_REALM);
    expect(sharedRealmOf(target, "ab12")).toBe(sharedRealmOf(TARGET, "ab12"));
    expect(realmOf(target, {}, "ab12")).not.toBe(sharedRealmOf(target, "ab12"));
  });

  test("are one for the same credentials at one origin, whatever the path", () => {
    const record = { authorization: "Bearer x" };
    expect(realmOf(TARGET, record)).toBe(realmOf(parseTarget("https://npm.example/b?c"), record));
    expect(realmOf(TARGET, record)).toMatch(/^[0-9a-f]{64}$/);
  });

  test("differ by credentials, scheme, host and port", () => {
    const record = { authorization: "Bearer x" };
    const realms = [
      realmOf(TARGET, record),
      realmOf(TARGET, { authorization: "Bearer y" }),
      realmOf(TARGET, { "private-token": "Bearer x" }),
      realmOf(parseTarget("http://npm.example/a"), record),
      realmOf(parseTarget("https://npm.example:8443/a"), record),
      realmOf(parseTarget("https://other.example/a"), record),
    ];
    expect(new Set(realms).size).toBe(realms.length);
  });

  test.each([
    "private-token",
    "job-token",
    "deploy-token",
    "x-jfrog-art-api",
    "x-nuget-apikey",
    "x-api-key",
    "x-auth-token",
  ])("are the requester's own with %s", (name) => {
    expect(realmOf(TARGET, { [name]: "secret" })).not.toBe(PUBLIC_REALM);
  });

  test("do not show the credentials", () => {
    expect(realmOf(TARGET, { authorization: "Bearer secret" })).not.toContain("secret");
  });
});
