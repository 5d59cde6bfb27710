import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { proxyVariables, trustVariables, type Variables } from "../../clients/environment.ts";
import { FRAGMENT_NAMES, renderEnvFragment, renderEnvPage, renderFragments } from "../../clients/fragments.ts";
import { mustRun } from "../support/programs.ts";

const trust = { bundleFile: "/var/cache/larder/bundle.pem", caFile: "/var/cache/larder/ca.pem" };
const proxyUrl = "http://127.0.0.1:3142";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "larder-environment-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a POSIX shell makes of a fragment, handed on to a program: only these names, for the shell sets some of its own. */
async function readBack(text: string, names: readonly string[]): Promise<Variables> {
  const file = join(folder, "fragment.env");
  await writeFile(file, text);
  const stdout = await mustRun("sh", ["-c", 'set -a; . "$0"; env -0', file], { cwd: folder });
  const lines = stdout
    .toString()
    .split("\0")
    .filter((line) => line !== "");
  const all = new Map(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  return Object.fromEntries(names.flatMap((name) => (all.has(name) ? [[name, all.get(name) as string]] : [])));
}

describe("a fragment", () => {
  test("is read back by sh, value for value, whatever the values hold", async () => {
    const text = fc.string({ unit: fc.constantFrom(..."ab/ '\"\\$`!#&;|<>()*?[]{}~=%\té€𝄞") });
    const variables = fc.dictionary(fc.stringMatching(/^LARDER_TEST_[A-Z0-9_]{1,8}$/), text, {
      minKeys: 1,
      maxKeys: 8,
    });
    await fc.assert(
      fc.asyncProperty(variables, async (written) => {
        expect(await readBack(renderEnvFragment(written), Object.keys(written))).toEqual({ ...written });
      }),
      { numRuns: 60 },
    );
  });

  test("of what larder really writes is plain lines that need no shell", () => {
    const text = renderEnvFragment({ ...proxyVariables({ proxyUrl }), ...trustVariables(trust) });
    const [comment, ...lines] = text.trimEnd().split("\n");
    expect(comment).toMatch(/^# Written by larder/);
    for (const line of lines) expect(line).toMatch(/^[A-Za-z_]+=[^'"\s]+$/);
  });

  test("is refused a value that does not fit on a line", () => {
    for (const value of ["/a\nb", "/a\rb", "/a\0b"])
      expect(() => renderEnvFragment({ KEY: value })).toThrow(expect.objectContaining({ code: "CONFIG_BAD_VALUE" }));
  });

  test("of the base image is there when one was given", () => {
    const given = renderFragments({ proxyUrl, ...trust, baseImage: "debian:12" });
    expect(given["30-build.env"]).toMatch(/^# Written by larder.*\nBASE_IMAGE=debian:12\n$/);
    expect(renderFragments({ proxyUrl, ...trust, baseImage: undefined })).not.toHaveProperty("30-build.env");
  });

  test("of the proxy is read before that of the CA", () => {
    expect(Object.values(FRAGMENT_NAMES)).toEqual(["10-proxy.env", "20-ca.env", "30-build.env"]);
    expect([...Object.values(FRAGMENT_NAMES)].sort()).toEqual(Object.values(FRAGMENT_NAMES));
  });
});

describe("the page /env", () => {
  for (const address of ["127.0.0.1:3142", "127.8.8.8:3142", "[::1]:3142", "localhost:3142"]) {
    test(`holds both fragments for a client at ${address}`, async () => {
      const expected = { ...proxyVariables({ proxyUrl: `http://${address}` }), ...trustVariables(trust) };
      const page = renderEnvPage({ address, fingerprint256: "AB:CD", ...trust });
      expect(await readBack(page, Object.keys(expected))).toEqual(expected);
    });
  }

  for (const address of [
    "10.0.2.2:3142",
    "host.containers.internal:3142",
    "[2001:db8::1]:3142",
    "127.0.0.1.example:3142",
  ]) {
    test(`sets no variable for a file that a client at ${address} does not have`, async () => {
      const page = renderEnvPage({ address, fingerprint256: "AB:CD", ...trust });
      const noProxy = address.replace(/:3142$/, "").replace(/[[\]]/g, "");
      const expected = proxyVariables({ proxyUrl: `http://${address}`, noProxy });
      expect(await readBack(page, [...Object.keys(expected), ...Object.keys(trustVariables(trust))])).toEqual(expected);
      expect(page).toContain(`-o larder-ca.pem http://${address}/ca.pem`);
      expect(page).toContain("SSL_CERT_FILE");
      expect(page).not.toContain(trust.caFile);
    });
  }
});
