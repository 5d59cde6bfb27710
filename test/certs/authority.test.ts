import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect } from "vitest";
import { loadOrCreateAuthority } from "../../certs/authority.ts";
import { certificateBlocks } from "../../certs/pem.ts";
import { refusal, test } from "./workbench.ts";

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2031, 4, 6, 7, 8, 9);
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

describe("the first start", () => {
  test("makes a key that only its user can read, in a folder that only its user may enter", async ({ ownFiles }) => {
    loadOrCreateAuthority({ ...ownFiles, nowMs: NOW_MS, create: true });
    expect(await modeOf(ownFiles.keyFile)).toBe("600");
    expect(await modeOf(ownFiles.certFile)).toBe("644");
    expect(await modeOf(resolve(ownFiles.keyFile, ".."))).toBe("700");
    expect((await readdir(resolve(ownFiles.keyFile, ".."))).sort()).toEqual(["ca.key", "ca.pem"]);
  });

  test("makes a P-256 root that openssl takes as one in strict mode", async ({ authority, openssl }) => {
    const { certFile } = authority;
    expect(await openssl("verify", "-x509_strict", "-CAfile", certFile, certFile)).toContain("ca.pem: OK");
    const text = await openssl("x509", "-in", certFile, "-noout", "-text");
    expect(text).toContain("NIST CURVE: P-256");
    expect(text).toContain("CA:TRUE, pathlen:0");
    expect(text).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign\n/);
    expect(text).toContain("Signature Algorithm: ecdsa-with-SHA256");
  });

  test("tells fingerprint and subject as openssl prints them", async ({ authority, openssl }) => {
    const fingerprint = await openssl("x509", "-in", authority.certFile, "-noout", "-fingerprint", "-sha256");
    expect(fingerprint.trim()).toBe(`sha256 Fingerprint=${authority.fingerprint256}`);
    expect(authority.subject).toMatch(/^O=larder, CN=larder CA [0-9a-f]{8}$/);
    expect(authority.certificatePem).toBe(await readFile(authority.certFile, "utf8"));
  });

  test("dates the certificate a day back and ten years ahead", ({ ownFiles }) => {
    const { certificate, notAfterMs } = loadOrCreateAuthority({ ...ownFiles, nowMs: NOW_MS, create: true });
    expect(Date.parse(certificate.validFrom)).toBe(NOW_MS - DAY_MS);
    expect(new Date(notAfterMs).getUTCFullYear()).toBe(2041);
    expect(Date.parse(certificate.validTo)).toBe(notAfterMs);
  });

  test("writes a year beyond 2049 in the form that it needs (RFC 5280 §4.1.2.5)", ({ ownFiles }) => {
    const nowMs = Date.UTC(2045, 6, 1);
    const { notAfterMs } = loadOrCreateAuthority({ ...ownFiles, nowMs, create: true });
    expect(new Date(notAfterMs).getUTCFullYear()).toBe(2055);
  });

  test("happens once: the next start loads the same authority", async ({ authority, ownFiles }) => {
    const again = loadOrCreateAuthority({ ...ownFiles, nowMs: Date.now(), create: true });
    expect(again.fingerprint256).toBe(authority.fingerprint256);
  });

  test("that was cut off after the key is taken up with that key", async ({ authority, ownFiles }) => {
    await rm(ownFiles.certFile);
    const again = loadOrCreateAuthority({ ...ownFiles, nowMs: Date.now(), create: true });
    expect(again.certificate.checkPrivateKey(authority.privateKey)).toBe(true);
    expect(again.subject).toBe(authority.subject);
  });

  test("never replaces a certificate whose key is gone: clients may trust it", async ({ authority, ownFiles }) => {
    await rm(ownFiles.keyFile);
    const { code, message } = refusal(() => loadOrCreateAuthority({ ...ownFiles, nowMs: Date.now(), create: true }));
    expect(code).toBe("CA_UNUSABLE");
    expect(message).toContain(`remove ${ownFiles.certFile}`);
    expect(await readFile(ownFiles.certFile, "utf8")).toBe(authority.certificatePem);
  });

  test("of several processes at once ends in one authority for all", async ({ ownFiles, folder }) => {
    const script = `
      import { loadOrCreateAuthority } from ${JSON.stringify(resolve(import.meta.dirname, "../../certs/authority.ts"))};
      process.stdin.once("data", () => {
        const options = { ...${JSON.stringify(ownFiles)}, nowMs: Date.now(), create: true };
        process.stdout.end(loadOrCreateAuthority(options).fingerprint256);
        process.stdin.destroy();
      });
      process.stdout.write("ready ");
    `;
    await writeFile(join(folder, "start.mts"), script);
    const starts = Array.from({ length: 3 }, () => {
      const tsx = import.meta.resolve("tsx");
      const child = spawn(process.execPath, ["--import", tsx, join(folder, "start.mts")], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      let said = "";
      child.stdout.on("data", (chunk) => {
        said += chunk;
      });
      return { child, ready: once(child.stdout, "data"), closed: once(child, "close"), told: () => said };
    });
    await Promise.all(starts.map(({ ready }) => ready));
    for (const { child } of starts) child.stdin.end("go");
    await Promise.all(starts.map(({ closed }) => closed));
    const { fingerprint256 } = loadOrCreateAuthority({ ...ownFiles, nowMs: Date.now(), create: false });
    expect(starts.map(({ told }) => told())).toEqual(starts.map(() => `ready ${fingerprint256}`));
    expect((await readdir(resolve(ownFiles.keyFile, ".."))).sort()).toEqual(["ca.key", "ca.pem"]);
  });

  test("says which folder it cannot write to", async ({ folder, ownFiles }) => {
    await writeFile(resolve(ownFiles.keyFile, ".."), "a file where the folder should be");
    const { code, message } = refusal(() => loadOrCreateAuthority({ ...ownFiles, nowMs: NOW_MS, create: true }));
    expect(code).toBe("CA_UNWRITABLE");
    expect(message).toContain(join(folder, "ca"));
  });
});

describe("an exposed key", () => {
  test("is refused with the command that mends it", async ({ folder, bringAuthority, run }) => {
    const brought = await bringAuthority("P-256");
    const odd = join(folder, "it's mine");
    await mkdir(odd);
    const files = { certFile: brought.certFile, keyFile: join(odd, "ca.key") };
    await copyFile(brought.keyFile, files.keyFile);
    await chmod(files.keyFile, 0o640);
    const load = () => loadOrCreateAuthority({ ...files, nowMs: Date.now(), create: false });
    const { code, message, cure } = refusal(load);
    expect(code).toBe("CA_KEY_EXPOSED");
    expect(message).toContain(`${cure}`);
    expect((await run("sh", "-c", `${cure}`)).code).toBe(0);
    expect(load().keyFile).toBe(files.keyFile);
  });

  test("is refused when larder's own folder lets others in", async ({ authority, ownFiles, run }) => {
    const load = () => loadOrCreateAuthority({ ...ownFiles, nowMs: Date.now(), create: true });
    await chmod(resolve(ownFiles.keyFile, ".."), 0o755);
    const { code, cure } = refusal(load);
    expect([code, cure]).toEqual(["CA_KEY_EXPOSED", `chmod 700 ${resolve(ownFiles.keyFile, "..")}`]);
    await run("sh", "-c", `${cure}`);
    expect(load().fingerprint256).toBe(authority.fingerprint256);
  });

  test("is refused when another user owns it, for root too", async ({ bringAuthority }) => {
    const { certFile, keyFile } = await bringAuthority("P-256");
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) await chown(keyFile, 4242, 0);
    // Only root can give a file away; for everybody else this one is somebody else's.
    const files = { certFile, keyFile: isRoot ? keyFile : "/etc/passwd" };
    const { code, cure } = refusal(() => loadOrCreateAuthority({ ...files, nowMs: Date.now(), create: false }));
    expect([code, cure]).toEqual(["CA_KEY_EXPOSED", `chown ${process.geteuid?.()} ${files.keyFile}`]);
  });
});

describe("an authority of one's own", () => {
  for (const kind of ["RSA", "P-256", "P-384"] as const) {
    test(`may have a key of kind ${kind}`, async ({ bringAuthority }) => {
      const authority = loadOrCreateAuthority({ ...(await bringAuthority(kind)), nowMs: Date.now(), create: false });
      expect(authority.subject).toBe(`CN=brought ${kind}`);
      expect(authority.presentedPem).toBe("");
    });
  }

  test("may be a chain in any order, of which the one with the key signs", async ({ bringAuthority, folder }) => {
    const authority = loadOrCreateAuthority({ ...(await bringAuthority("chain")), nowMs: Date.now(), create: false });
    const pem = async (name: string) => certificateBlocks(await readFile(join(folder, name), "utf8")).join("");
    expect(authority.subject).toBe("CN=brought intermediate");
    expect(authority.certificatePem).toBe(await pem("intermediate.pem"));
    expect(authority.chainPem).toBe((await pem("intermediate.pem")) + (await pem("root.pem")));
    expect(authority.presentedPem).toBe(await pem("intermediate.pem"));
  });

  for (const [form, args] of [
    ["PKCS#1", ["rsa", "-traditional"]],
    ["SEC 1", ["ec"]],
  ] as const) {
    test(`may keep its key as ${form}`, async ({ bringAuthority, openssl, folder }) => {
      const { certFile, keyFile } = await bringAuthority(form === "SEC 1" ? "P-256" : "RSA");
      await openssl(...args, "-in", keyFile, "-out", "traditional.key");
      const traditional = join(folder, "traditional.key");
      await chmod(traditional, 0o600);
      expect(await readFile(traditional, "utf8")).toMatch(/BEGIN (RSA|EC) PRIVATE KEY/);
      const files = { certFile, keyFile: traditional };
      expect(loadOrCreateAuthority({ ...files, nowMs: Date.now(), create: false }).certFile).toBe(certFile);
    });
  }

  test("is never made when it is missing", async ({ folder, ownFiles }) => {
    const { code, message } = refusal(() => loadOrCreateAuthority({ ...ownFiles, nowMs: NOW_MS, create: false }));
    expect(code).toBe("CA_UNREADABLE");
    expect(message).toContain(ownFiles.keyFile);
    expect(await readdir(folder)).toEqual([]);
  });

  test("is refused when a file holds something else", async ({ bringAuthority }) => {
    const { certFile, keyFile } = await bringAuthority("P-256");
    const load = () => loadOrCreateAuthority({ certFile, keyFile, nowMs: Date.now(), create: false });
    await writeFile(certFile, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    expect(refusal(load)).toMatchObject({ code: "CA_UNREADABLE", message: expect.stringContaining(certFile) });
    await writeFile(certFile, "no certificate");
    expect(refusal(load)).toMatchObject({ code: "CA_UNREADABLE", message: expect.stringContaining(certFile) });
    await writeFile(keyFile, "no key");
    expect(refusal(load)).toMatchObject({ code: "CA_UNREADABLE", message: expect.stringContaining(keyFile) });
  });

  test("is refused when key and certificate do not belong together", async ({ authority, bringAuthority }) => {
    const { certFile } = await bringAuthority("P-256");
    const files = { certFile, keyFile: authority.keyFile };
    expect(refusal(() => loadOrCreateAuthority({ ...files, nowMs: Date.now(), create: false })).code).toBe(
      "CA_UNUSABLE",
    );
  });

  test("is refused when the certificate is a server's", async ({ folder, openssl }) => {
    const args = [
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-keyout",
      "server.key",
      "-out",
      "server.pem",
    ];
    await openssl(
      "req",
      "-x509",
      "-nodes",
      ...args,
      "-subj",
      "/CN=server",
      "-addext",
      "basicConstraints=critical,CA:FALSE",
    );
    const files = { certFile: join(folder, "server.pem"), keyFile: join(folder, "server.key") };
    const { code, message } = refusal(() => loadOrCreateAuthority({ ...files, nowMs: Date.now(), create: false }));
    expect(code).toBe("CA_UNUSABLE");
    expect(message).toContain("CA:TRUE");
  });

  test("is refused before it begins and after it ends", async ({ bringAuthority }) => {
    const files = await bringAuthority("chain");
    const at = (nowMs: number) => refusal(() => loadOrCreateAuthority({ ...files, nowMs, create: false }));
    expect(at(Date.now() - DAY_MS)).toMatchObject({ code: "CA_UNUSABLE", message: expect.stringContaining("clock") });
    expect(at(Date.now() + 21 * DAY_MS)).toMatchObject({
      code: "CA_UNUSABLE",
      message: expect.stringContaining("expired"),
    });
  });

  test("is refused with a locked key, a weak one, or one that clients cannot use", async ({
    bringAuthority,
    folder,
    openssl,
  }) => {
    const { certFile, keyFile } = await bringAuthority("P-256");
    const load = () => loadOrCreateAuthority({ certFile, keyFile, nowMs: Date.now(), create: false });
    await openssl("pkey", "-in", keyFile, "-aes256", "-passout", "pass:x", "-out", "locked.key");
    await copyFile(join(folder, "locked.key"), keyFile);
    expect(refusal(load)).toMatchObject({ code: "CA_UNUSABLE", message: expect.stringContaining("openssl pkey -in") });
    await openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", keyFile);
    expect(refusal(load)).toMatchObject({ code: "CA_UNUSABLE", message: expect.stringContaining("1024") });
    await openssl("genpkey", "-algorithm", "ed25519", "-out", keyFile);
    expect(refusal(load)).toMatchObject({ code: "CA_UNUSABLE", message: expect.stringContaining("ed25519") });
  });
});
