import { describe, expect, test } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import type { HostPort } from "../../../core/target.ts";
import { ParentTable } from "../../../proxy/origin/parents.ts";
import type { ParentRule } from "../../../proxy/settings.ts";

const dependencies = { clock: systemClock, isSelf: () => false };
const table = (noProxy: string, isSelf: (parent: HostPort) => boolean = () => false) =>
  new ParentTable(
    { http: "http://proxy.corp:3128", https: "http://user:p%40ss@proxy.corp:3128", noProxy, rules: [] },
    { ...dependencies, isSelf },
  );
const isDirect = (noProxy: string, host: string, port = 80) =>
  table(noProxy).routesTo("http", { host, port }).includes("direct");

describe("the table of parent proxies", () => {
  test.each([
    ["corp.example", "corp.example"],
    ["corp.example", "mirror.corp.example"],
    [".corp.example", "mirror.corp.example"],
    ["*.corp.example", "mirror.corp.example"],
    ["10.0.0.0/8", "10.20.30.40"],
    ["192.0.2.7", "192.0.2.7"],
    ["fd00::/8", "fd12::1"],
    ["[::1]", "::1"],
    ["elsewhere, corp.example", "corp.example"],
    ["elsewhere corp.example", "corp.example"],
    ["*", "anything.example"],
    ["corp.example:80", "corp.example"],
  ])("with no_proxy %j reaches %s directly", (noProxy, host) => {
    expect(isDirect(noProxy, host)).toBe(true);
  });

  test.each([
    ["", "corp.example"],
    ["corp.example", "notcorp.example"],
    ["corp.example", "corp.example.org"],
    ["10.0.0.0/8", "11.0.0.1"],
    ["10.0.0.0/8", "ten.example"],
    ["corp.example:8080", "corp.example"],
  ])("with no_proxy %j goes through the proxy to %s", (noProxy, host) => {
    expect(isDirect(noProxy, host)).toBe(false);
  });

  test("sends the credentials of the proxy's URL, decoded, and only those", () => {
    const target = { host: "pypi.example", port: 443 };
    const authorization = `Basic ${Buffer.from("user:p@ss").toString("base64")}`;
    expect(table("").routesTo("https", target)).toMatchObject([{ host: "proxy.corp", port: 3128, authorization }]);
    expect(table("").routesTo("http", target)).toMatchObject([{ authorization: undefined }]);
  });

  test("never leads to itself", () => {
    const isSelf = ({ host, port }: HostPort) => host === "proxy.corp" && port === 3128;
    expect(table("", isSelf).routesTo("https", { host: "pypi.example", port: 443 })).toEqual(["direct"]);
  });

  test("refuses a proxy URL it cannot use, without writing its password down", () => {
    const http = "socks5://me:secret@proxy.corp:1080";
    expect(() => new ParentTable({ http, https: undefined, noProxy: "", rules: [] }, dependencies)).toThrow(
      expect.objectContaining({ code: "CONFIG_BAD_VALUE", message: expect.not.stringContaining("secret") }),
    );
  });
});

describe("the rules of larder.toml", () => {
  const rule = (hosts: string[], routes: string[], more: Partial<ParentRule> = {}): ParentRule => ({
    hosts,
    scheme: undefined,
    routes,
    credentials: undefined,
    ...more,
  });
  const routesBy = (rules: ParentRule[], scheme: "http" | "https", host: string) =>
    new ParentTable({ http: "http://env:1", https: "http://env:1", noProxy: "*", rules }, dependencies)
      .routesTo(scheme, { host, port: 443 })
      .map((route) => (route === "direct" ? route : route.origin));

  test("hold by the most exact pattern, the first on a tie, and before what the environment says", () => {
    const rules = [
      rule(["*"], ["http://all:1"]),
      rule(["*.corp.example", "10.0.0.1"], ["direct", "http://corp:1"]),
      rule(["*.corp.example"], ["http://late:1"]),
    ];
    expect(routesBy(rules, "https", "pypi.org")).toEqual(["http://all:1"]);
    expect(routesBy(rules, "http", "a.corp.example")).toEqual(["direct", "http://corp:1"]);
    expect(routesBy(rules, "https", "10.0.0.1")).toEqual(["direct", "http://corp:1"]);
  });

  test("may be for one scheme", () => {
    const rules = [rule(["*"], ["http://plain:1"], { scheme: "http" })];
    expect(routesBy(rules, "http", "pypi.org")).toEqual(["http://plain:1"]);
    expect(routesBy(rules, "https", "pypi.org")).toEqual(["direct"]);
  });

  test("give their credentials to the proxies whose URL has none", () => {
    const rules = [rule(["*"], ["http://a:1", "http://me:own@b:1"], { credentials: "you:all:of it" })];
    const [a, b] = new ParentTable({ http: undefined, https: undefined, noProxy: "", rules }, dependencies).routesTo(
      "http",
      { host: "pypi.org", port: 80 },
    );
    const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
    expect([a, b]).toMatchObject([{ authorization: basic("you:all:of it") }, { authorization: basic("me:own") }]);
  });
});
