import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEFAULT_TUNNELS, mayIntercept } from "../../../policy/access/tunnels.ts";

describe("which tunnels are opened", () => {
  const may = (host: string, intercept: string[], tunnel: string[]) => mayIntercept(host, { intercept, tunnel });

  test("are all that nothing names", () => {
    expect(may("pypi.org", [], [])).toBe(true);
    expect(may("pypi.org", [], ["quay.io"])).toBe(true);
  });

  test("are not those that the tunnel list names, by name, suffix or asterisk", () => {
    expect(may("quay.io", [], ["quay.io"])).toBe(false);
    expect(may("cdn.quay.io", [], ["*.quay.io"])).toBe(false);
    expect(may("a.b.quay.io", [], ["*.quay.io"])).toBe(false);
    expect(may("pypi.org", [], ["*"])).toBe(false);
    expect(may("2001:db8::1", [], ["*"])).toBe(false);
    expect(may("QUAY.IO".toLowerCase(), [], ["QUAY.io"])).toBe(false);
  });

  test("take a suffix for what has a label before it", () => {
    expect(may("quay.io", [], ["*.quay.io"])).toBe(true);
    expect(may("notquay.io", [], ["*.quay.io"])).toBe(true);
    expect(may("quay.io.evil.example", [], ["*.quay.io"])).toBe(true);
  });

  test("are decided by the more exact pattern", () => {
    expect(may("pypi.org", ["pypi.org"], ["*"])).toBe(true);
    expect(may("files.pypi.org", ["*.pypi.org"], ["*.org"])).toBe(true);
    expect(may("files.pypi.org", ["*.org"], ["*.pypi.org"])).toBe(false);
    expect(may("files.pypi.org", ["*.pypi.org"], ["files.pypi.org"])).toBe(false);
    expect(may("files.pypi.org", ["*"], ["*.org"])).toBe(false);
  });

  test("stay closed on a tie", () => {
    expect(may("pypi.org", ["pypi.org"], ["pypi.org"])).toBe(false);
    expect(may("pypi.org", ["*"], ["*"])).toBe(false);
  });

  test("let an asterisk stand for one label, or a part of one, inside a pattern", () => {
    const pattern = "*.dkr.ecr.*.amazonaws.com";
    expect(may("123.dkr.ecr.eu-west-1.amazonaws.com", [], [pattern])).toBe(false);
    expect(may("123.dkr.ecr.eu.west.amazonaws.com", [], [pattern])).toBe(true);
    expect(may("dkr.ecr.eu-west-1.amazonaws.com", [], [pattern])).toBe(true);
    expect(may("europe-docker.pkg.dev", [], ["*-docker.pkg.dev"])).toBe(false);
    expect(may("europe-python.pkg.dev", [], ["*-docker.pkg.dev"])).toBe(true);
    expect(may("ab.example", [], ["ab*b.example"])).toBe(true);
  });

  test.each([
    "registry-1.docker.io",
    "auth.docker.io",
    "production.cloudflare.docker.com",
    "quay.io",
    "cdn01.quay.io",
    "ghcr.io",
    "gcr.io",
    "us-docker.pkg.dev",
    "registry.k8s.io",
    "mcr.microsoft.com",
    "registry.access.redhat.com",
    "registry.redhat.io",
    "public.ecr.aws",
    "123456789012.dkr.ecr.us-east-1.amazonaws.com",
    "cdn.redhat.com",
    "subscription.rhsm.redhat.com",
  ])("are by default not that of %s", (host) => {
    expect(may(host, [], [...DEFAULT_TUNNELS])).toBe(false);
  });

  test.each([
    "pypi.org",
    "registry.npmjs.org",
    "deb.debian.org",
    "cdn-ubi.redhat.com",
    "europe-python.pkg.dev",
    "cache.nixos.org",
  ])("are by default that of %s", (host) => {
    expect(may(host, [], [...DEFAULT_TUNNELS])).toBe(true);
  });

  test("never decide against a host that only other hosts' patterns name", () => {
    const label = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join("."));
    fc.assert(
      fc.property(name, name, (host, other) => {
        expect(may(host, [], [other])).toBe(host !== other);
        expect(may(host, [], [`*.${other}`])).toBe(!host.endsWith(`.${other}`));
      }),
    );
  });
});
