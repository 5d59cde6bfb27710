import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { type Authority, loadOrCreateAuthority } from "../../certs/authority.ts";
import { LeafContexts } from "../../certs/contexts.ts";
import { test } from "./workbench.ts";

const DAY_MS = 86_400_000;
/** curl: "Peer's SSL certificate or SSH fingerprint was not OK". */
const CURL_REFUSES_CERTIFICATE = 60;
/** curl: "SSL/TLS connect error". */
const CURL_HANDSHAKE_FAILED = 35;

const STRICT_PYTHON = `
import socket, ssl, sys
ca, name, port = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.verify_flags |= ssl.VERIFY_X509_STRICT
with socket.create_connection(("127.0.0.1", int(port))) as plain:
    with context.wrap_socket(plain, server_hostname=name) as tls:
        tls.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        print(tls.version())
`;

const contextsOf = (authority: Authority) => new LeafContexts({ authority, clock: () => Date.now(), maxContexts: 10 });

describe("a client that trusts the authority", () => {
  for (const kind of ["own", "RSA", "P-384", "chain"] as const) {
    test(`(${kind}) is content: curl with names, IPv4 and IPv6`, async ({
      ownFiles,
      bringAuthority,
      folder,
      run,
      serveTls,
    }) => {
      const files = kind === "own" ? ownFiles : await bringAuthority(kind);
      const contexts = contextsOf(loadOrCreateAuthority({ ...files, nowMs: Date.now(), create: kind === "own" }));
      // Of the chain only the root is trusted: the intermediate has to come with the handshake.
      const ca = kind === "chain" ? join(folder, "root.pem") : files.certFile;
      for (const [host, address] of [
        ["pypi.larder.test", "127.0.0.1"],
        ["127.0.0.1", "127.0.0.1"],
        ["::1", "::1"],
      ] as const) {
        const port = await serveTls(contexts.contextFor(host), address);
        const authority = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
        const resolved = ["--resolve", `pypi.larder.test:${port}:127.0.0.1`];
        const outcome = await run("curl", "-sS", "--cacert", ca, ...resolved, `https://${authority}/`);
        expect([outcome.stderr, outcome.stdout.toString()], host).toEqual(["", "larder"]);
      }
    });
  }

  for (const kind of ["own", "RSA", "chain"] as const) {
    test(`(${kind}) is content: Python's ssl in strict mode`, async ({
      ownFiles,
      bringAuthority,
      folder,
      run,
      serveTls,
    }) => {
      const files = kind === "own" ? ownFiles : await bringAuthority(kind);
      const authority = loadOrCreateAuthority({ ...files, nowMs: Date.now(), create: kind === "own" });
      await writeFile(join(folder, "roots.pem"), authority.chainPem);
      for (const host of ["pypi.larder.test", "127.0.0.1"]) {
        const port = await serveTls(contextsOf(authority).contextFor(host));
        const outcome = await run("python3", "-c", STRICT_PYTHON, "roots.pem", host, String(port));
        expect([outcome.stderr, outcome.stdout.toString()], host).toEqual(["", "TLSv1.3\n"]);
      }
    });
  }

  test("may speak TLS 1.2 and 1.3, and nothing older", async ({ authority, run, serveTls }) => {
    const port = await serveTls(contextsOf(authority).contextFor("127.0.0.1"));
    const curl = (...args: string[]) =>
      run("curl", "-sS", "--cacert", authority.certFile, ...args, `https://127.0.0.1:${port}/`);
    expect((await curl("--tlsv1.2", "--tls-max", "1.2")).stdout.toString()).toBe("larder");
    expect((await curl("--tlsv1.3")).stdout.toString()).toBe("larder");
    const old = await curl("--tlsv1.1", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0");
    expect([old.code, old.stderr]).toEqual([CURL_HANDSHAKE_FAILED, expect.stringContaining("protocol version")]);
  });
});

describe("a client is refused nothing less than it should refuse", () => {
  test("when it does not trust the authority", async ({ authority, bringAuthority, run, serveTls }) => {
    const { certFile: stranger } = await bringAuthority("P-256");
    const port = await serveTls(contextsOf(authority).contextFor("127.0.0.1"));
    const outcome = await run("curl", "-sS", "--cacert", stranger, `https://127.0.0.1:${port}/`);
    expect(outcome.code).toBe(CURL_REFUSES_CERTIFICATE);
  });

  test("when the certificate is for another host", async ({ authority, run, serveTls }) => {
    const port = await serveTls(contextsOf(authority).contextFor("pypi.larder.test"));
    const outcome = await run("curl", "-sS", "--cacert", authority.certFile, `https://127.0.0.1:${port}/`);
    expect(outcome.code).toBe(CURL_REFUSES_CERTIFICATE);
  });
});

describe("the contexts", () => {
  test("are made once a host, and again a day before their leaf ends", ({ authority }) => {
    let nowMs = Date.now();
    const contexts = new LeafContexts({ authority, clock: () => nowMs, maxContexts: 10 });
    const first = contexts.contextFor("pypi.org");
    expect(contexts.contextFor("pypi.org")).toBe(first);
    expect(contexts.contextFor("files.pythonhosted.org")).not.toBe(first);
    nowMs += 42 * DAY_MS - 1;
    expect(contexts.contextFor("pypi.org")).toBe(first);
    nowMs += 1;
    const second = contexts.contextFor("pypi.org");
    expect(second).not.toBe(first);
    expect(contexts.contextFor("pypi.org")).toBe(second);
  });

  test("are made again when the clock is set back before their leaf begins", ({ authority }) => {
    let nowMs = Date.now();
    const contexts = new LeafContexts({ authority, clock: () => nowMs, maxContexts: 10 });
    const first = contexts.contextFor("pypi.org");
    nowMs -= 2 * DAY_MS;
    expect(contexts.contextFor("pypi.org")).not.toBe(first);
  });

  test("are bounded: the host that was not asked for longest makes room", ({ authority }) => {
    const contexts = new LeafContexts({ authority, clock: () => Date.now(), maxContexts: 2 });
    const kept = contexts.contextFor("kept.test");
    const dropped = contexts.contextFor("dropped.test");
    contexts.contextFor("kept.test");
    contexts.contextFor("new.test");
    expect(contexts.contextFor("kept.test")).toBe(kept);
    expect(contexts.contextFor("dropped.test")).not.toBe(dropped);
  });
});
