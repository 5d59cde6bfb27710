import { describe, expect, test } from "vitest";
import { ParentTable } from "../../proxy/origin/parents.ts";

const never = () => false;
const table = (noProxy: string) =>
  new ParentTable({ http: "http://proxy.corp:3128", https: "http://user:p%40ss@proxy.corp:3128", noProxy });
const isDirect = (noProxy: string, host: string, port = 80) =>
  table(noProxy).find("http", { host, port }, never) === undefined;

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
    expect(table("").find("https", target, never)).toMatchObject({ host: "proxy.corp", port: 3128, authorization });
    expect(table("").find("http", target, never)?.authorization).toBeUndefined();
  });

  test("never leads to itself", () => {
    const isSelf = ({ host, port }: { host: string; port: number }) => host === "proxy.corp" && port === 3128;
    expect(table("").find("https", { host: "pypi.example", port: 443 }, isSelf)).toBeUndefined();
  });

  test("refuses a proxy URL it cannot use, without writing its password down", () => {
    expect(
      () => new ParentTable({ http: "socks5://me:secret@proxy.corp:1080", https: undefined, noProxy: "" }),
    ).toThrow(expect.objectContaining({ code: "CONFIG_BAD_VALUE", message: expect.not.stringContaining("secret") }));
  });
});
