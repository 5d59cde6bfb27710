import { describe, expect, test } from "vitest";
import { checkOriginForm } from "../../../policy/access/own-pages.ts";
import { outcome } from "./outcome.ts";

describe("origin-form requests", () => {
  const ask = (host: string | undefined, secFetchSite?: string) =>
    outcome(() => checkOriginForm({ host, secFetchSite, serverNames: ["Cache.lan"] }));

  test.each([
    "127.0.0.1:3142",
    "[::1]:3142",
    "192.168.1.2",
    "localhost",
    "LOCALHOST.:3142",
    "cache.lan",
    "CACHE.LAN:3142",
  ])("are answered as %s", (host) => {
    expect(ask(host)).toBe("open");
    expect(ask(host, "same-origin")).toBe("open");
    expect(ask(host, "none")).toBe("open");
  });

  test.each(["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "sub.cache.lan", undefined])(
    "are not answered as %s: a name of another site may point at us",
    (host) => {
      expect(ask(host)).toBe("HOST_NOT_SERVED");
    },
  );

  test("are not answered to another site's page, whatever the host", () => {
    expect(ask("127.0.0.1", "cross-site")).toBe("CROSS_SITE");
    expect(ask("127.0.0.1", " Cross-Site ")).toBe("CROSS_SITE");
  });
});
