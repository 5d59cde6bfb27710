import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { describe, expect } from "vitest";
import { loadOrCreateAuthority } from "../../certs/authority.ts";
import { readExtraRoots, readSystemRoots, writeTrustBundle } from "../../certs/bundle.ts";
import { LeafContexts } from "../../certs/contexts.ts";
import { certificateBlocks } from "../../certs/pem.ts";
import { refusal, test } from "./workbench.ts";

const [ONE = "", TWO = ""] = certificateBlocks(rootCertificates.slice(0, 2).join("\n"));

describe("the system's roots", () => {
  test("are those of the first file that holds any", async ({ folder }) => {
    const file = (name: string) => join(folder, name);
    await writeFile(file("empty"), "# nothing here\n");
    await writeFile(file("roots"), ONE);
    await writeFile(file("later"), TWO);
    const candidates = ["missing", "empty", "roots", "later"].map(file);
    expect(readSystemRoots({ candidates })).toBe(ONE);
  });

  test("are Node's own where the system has none", () => {
    const roots = certificateBlocks(readSystemRoots({ candidates: [] }));
    expect(roots).toHaveLength(new Set(rootCertificates).size);
  });

  test("are found on this machine without being told where", () => {
    expect(certificateBlocks(readSystemRoots()).length).toBeGreaterThan(50);
  });

  test("are kept without comments, keys, other blocks and repetitions", async ({ folder }) => {
    const file = join(folder, "roots");
    const key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    const trusted = ONE.replaceAll("CERTIFICATE", "TRUSTED CERTIFICATE");
    const oldName = TWO.replaceAll("CERTIFICATE", "X509 CERTIFICATE").replaceAll("\n", "\r\n");
    await writeFile(file, `# junk\n${ONE}${key}${trusted}subject=/CN=two\n${oldName}${ONE}`);
    expect(readSystemRoots({ candidates: [file] })).toBe(ONE + TWO);
  });
});

describe("extra roots", () => {
  test("are those of every file named", async ({ folder }) => {
    await writeFile(join(folder, "one"), `comment\n${ONE}`);
    await writeFile(join(folder, "two"), TWO);
    expect(readExtraRoots([join(folder, "one"), join(folder, "two")])).toBe(ONE + TWO);
    expect(readExtraRoots([])).toBe("");
  });

  for (const [fault, text] of [
    ["is missing", undefined],
    ["holds no certificate", "nothing"],
    ["holds a damaged one", ONE.replace("M", "A")],
  ] as const) {
    test(`are refused by name when a file ${fault}`, async ({ folder }) => {
      const file = join(folder, "extra.pem");
      if (text !== undefined) await writeFile(file, text);
      const { code, message } = refusal(() => readExtraRoots([file]));
      expect([code, message]).toEqual(["CA_UNREADABLE", expect.stringContaining(file)]);
    });
  }
});

describe("the trust bundle", () => {
  test("holds the system's roots, then ours, for everybody to read", async ({ authority, folder }) => {
    const file = join(folder, "made", "on", "the way", "bundle.pem");
    expect(writeTrustBundle({ file, systemRoots: ONE + TWO, authority })).toBe(true);
    expect(await readFile(file, "utf8")).toBe(ONE + TWO + authority.certificatePem);
    expect((await stat(file)).mode & 0o777).toBe(0o644);
    expect(await readdir(join(file, ".."))).toEqual(["bundle.pem"]);
  });

  test("is replaced when its content changes, and left alone otherwise", async ({ authority, folder }) => {
    const file = join(folder, "bundle.pem");
    writeTrustBundle({ file, systemRoots: ONE, authority });
    const { ino } = await stat(file);
    expect(writeTrustBundle({ file, systemRoots: ONE, authority })).toBe(false);
    expect((await stat(file)).ino).toBe(ino);
    expect(writeTrustBundle({ file, systemRoots: TWO, authority })).toBe(true);
    expect(await readFile(file, "utf8")).toBe(TWO + authority.certificatePem);
  });

  test("names our authority once, last, even where the system trusts it already", async ({ authority, folder }) => {
    const file = join(folder, "bundle.pem");
    writeTrustBundle({ file, systemRoots: authority.certificatePem + ONE, authority });
    expect(await readFile(file, "utf8")).toBe(ONE + authority.certificatePem);
  });

  test("says so when it cannot be written", async ({ authority, folder }) => {
    await writeFile(join(folder, "not-a-folder"), "");
    const file = join(folder, "not-a-folder", "bundle.pem");
    const { code, message } = refusal(() => writeTrustBundle({ file, systemRoots: ONE, authority }));
    expect([code, message]).toEqual(["CA_UNWRITABLE", expect.stringContaining(join(folder, "not-a-folder"))]);
  });

  test("is all that a client needs: curl through SSL_CERT_FILE, with a chain whose root the system lacks", async ({
    bringAuthority,
    folder,
    run,
    serveTls,
  }) => {
    const authority = loadOrCreateAuthority({ ...(await bringAuthority("chain")), nowMs: Date.now(), create: false });
    const file = join(folder, "bundle.pem");
    writeTrustBundle({ file, systemRoots: readSystemRoots(), authority });
    await chmod(folder, 0o755);
    const contexts = new LeafContexts({ authority, clock: () => Date.now(), maxContexts: 1 });
    const port = await serveTls(contexts.contextFor("127.0.0.1"));
    const outcome = await run("env", `SSL_CERT_FILE=${file}`, "curl", "-sS", `https://127.0.0.1:${port}/`);
    expect([outcome.stderr, outcome.stdout.toString()]).toEqual(["", "larder"]);
  });
});
