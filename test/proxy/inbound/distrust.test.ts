import tls from "node:tls";
import { describe, expect } from "vitest";
import { openTunnel, readToEnd, requestFor } from "../../support/client.ts";
import { test } from "../workbench.ts";

describe("a client that rejects the CA twice for a host", () => {
  /** One try to get something; the roots and versions say which client it is. */
  const attempt = async (port: number, host: string, options: tls.ConnectionOptions): Promise<string> => {
    const socket = await openTunnel(port, host);
    const secure = tls.connect({ socket, servername: "localhost", ...options });
    secure.write(requestFor(host));
    return await readToEnd(secure).catch(() => "rejected");
  };

  test("is left alone with it, and no other client or host is; a request in between starts the count anew", async ({
    authority,
    secureOrigin,
    startLarder,
  }) => {
    const larder = await startLarder({ settings: { originRoots: authority.caPem } });
    secureOrigin.serve("/hello", (_, response) => void response.end("hello"));
    const host = `localhost:${secureOrigin.port}`;
    const untrusting = { ca: authority.caPem };
    const trusting = { ca: larder.ca };
    const rejected = async (count: number) => (await larder.logged("client rejected the certificate", count)).facts;

    expect(await attempt(larder.port, host, untrusting)).toBe("rejected");
    expect(await rejected(1)).not.toHaveProperty("unopenedForMs");
    expect(await attempt(larder.port, host, trusting)).toContain("hello");
    expect(await attempt(larder.port, host, untrusting)).toBe("rejected");
    expect(await rejected(2)).not.toHaveProperty("unopenedForMs");
    expect(await attempt(larder.port, host, untrusting)).toBe("rejected");
    expect(await rejected(3)).toMatchObject({
      unopenedForMs: 600_000,
      cure: expect.stringContaining("larder ca path"),
    });

    expect(await attempt(larder.port, host, untrusting)).toMatch(/^HTTP\/1\.1 200 (?!.*cache-status).*hello/is);
    expect((await larder.logged("tunnel")).facts).toMatchObject({ detail: "untrusting-client", outcome: "fwd=bypass" });
    // Another program from the same address, told by its ClientHello: it is still served.
    expect(await attempt(larder.port, host, { ...trusting, maxVersion: "TLSv1.2" })).toMatch(
      /cache-status: larder-test/i,
    );
    expect(await attempt(larder.port, "127.0.0.1:8443", untrusting)).toBe("rejected");
    expect(await rejected(4)).toMatchObject({ target: "127.0.0.1:8443" });
  });

  test("is not left alone where that is switched off", async ({ authority, startLarder }) => {
    const larder = await startLarder({ settings: { tunnelUntrustingMs: 0 } });
    for (const count of [1, 2, 3]) {
      expect(await attempt(larder.port, "localhost:8443", { ca: authority.caPem })).toBe("rejected");
      expect((await larder.logged("client rejected the certificate", count)).facts).not.toHaveProperty("unopenedForMs");
    }
  });
});
