import { X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { isIPv4, isIPv6 } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect } from "vitest";
import { loadOrCreateAuthority } from "../../certs/authority.ts";
import { LeafIssuer } from "../../certs/leaf.ts";
import { refusal, test } from "./workbench.ts";

const DAY_MS = 86_400_000;
const LONG_NAME = `${"a-label-of-the-longest-kind.".repeat(3)}example.test`;
const HOSTS = ["pypi.org", "localhost", "under_score.example.test", LONG_NAME, "192.0.2.7", "2001:db8::7", "::1"];

describe("a leaf", () => {
  for (const kind of ["own", "RSA", "P-384", "chain"] as const) {
    test(`of an authority (${kind}) passes openssl's strict verification for every host`, async ({
      ownFiles,
      bringAuthority,
      folder,
      openssl,
    }) => {
      const files = kind === "own" ? ownFiles : await bringAuthority(kind);
      const authority = loadOrCreateAuthority({ ...files, nowMs: Date.now(), create: kind === "own" });
      const issuer = new LeafIssuer(authority);
      await writeFile(join(folder, "roots.pem"), authority.chainPem);
      for (const host of HOSTS) {
        await writeFile(join(folder, "leaf.pem"), issuer.issue(host, Date.now()).certificatePem);
        const name = isIPv4(host) || isIPv6(host) ? ["-verify_ip", host] : ["-verify_hostname", host];
        const strictly = ["-x509_strict", "-purpose", "sslserver", "-CAfile", "roots.pem"];
        expect(await openssl("verify", ...strictly, ...name, "leaf.pem"), host).toBe("leaf.pem: OK\n");
      }
    });
  }

  test("is fit to be a server's and nothing else", async ({ authority, folder, openssl }) => {
    const leaf = new LeafIssuer(authority).issue("pypi.org", Date.now());
    await writeFile(join(folder, "leaf.pem"), leaf.certificatePem);
    const text = await openssl("x509", "-in", "leaf.pem", "-noout", "-text");
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE\n/);
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/);
    expect(text).toMatch(/Extended Key Usage: \n\s+TLS Web Server Authentication\n/);
    expect(text).toMatch(/Subject Alternative Name: \n\s+DNS:pypi\.org\n/);
    expect(text).toContain("Subject: CN = pypi.org\n");
  });

  test("leaves a name of more than 64 characters to the alternative name, which is critical then (RFC 5280 §4.2.1.6)", async ({
    authority,
    folder,
    openssl,
  }) => {
    const leaf = new LeafIssuer(authority).issue(LONG_NAME, Date.now());
    expect(new X509Certificate(leaf.certificatePem).subject).toBeUndefined();
    await writeFile(join(folder, "leaf.pem"), leaf.certificatePem);
    const text = await openssl("x509", "-in", "leaf.pem", "-noout", "-text");
    expect(text).toMatch(/Subject Alternative Name: critical\n/);
  });

  test("begins a day back and lasts less than 45 days in all", ({ authority }) => {
    const nowMs = Math.floor(Date.now() / 1000) * 1000;
    const leaf = new LeafIssuer(authority).issue("pypi.org", nowMs);
    const { validFrom, validTo } = new X509Certificate(leaf.certificatePem);
    expect(Date.parse(validFrom)).toBe(nowMs - DAY_MS);
    expect([Date.parse(validFrom), Date.parse(validTo)]).toEqual([leaf.notBeforeMs, leaf.notAfterMs]);
    expect(leaf.notAfterMs - leaf.notBeforeMs).toBeLessThan(45 * DAY_MS);
  });

  test("never outlasts its authority, and is refused when that has ended", async ({ bringAuthority }) => {
    const files = await bringAuthority("chain");
    const authority = loadOrCreateAuthority({ ...files, nowMs: Date.now(), create: false });
    const issuer = new LeafIssuer(authority);
    expect(issuer.issue("pypi.org", Date.now()).notAfterMs).toBe(authority.notAfterMs);
    const late = refusal(() => issuer.issue("pypi.org", authority.notAfterMs));
    expect(late).toMatchObject({ code: "CA_UNUSABLE", message: expect.stringContaining("expired") });
  });

  test("has a positive random serial of 16 octets (RFC 5280 §4.1.2.2)", ({ authority }) => {
    const issuer = new LeafIssuer(authority);
    const serials = Array.from({ length: 200 }, () => {
      return new X509Certificate(issuer.issue("pypi.org", Date.now()).certificatePem).serialNumber;
    });
    expect(serials.every((serial) => /^[4-7][0-9A-F]{31}$/.test(serial))).toBe(true);
    expect(new Set(serials).size).toBe(serials.length);
  });

  test("of any IPv4 or IPv6 literal is for that address", ({ authority }) => {
    const issuer = new LeafIssuer(authority);
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        const certificate = new X509Certificate(issuer.issue(address, Date.now()).certificatePem);
        expect(certificate.checkIP(address)).toBe(address);
        expect(certificate.checkIP("203.0.113.99")).toBe(address === "203.0.113.99" ? address : undefined);
      }),
    );
  });
});
