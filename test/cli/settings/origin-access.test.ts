import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "../../../cli/settings/config.ts";
import { loadOriginAccess } from "../../../cli/settings/origin-access.ts";
import { tunnelPatterns } from "../../../cli/settings/proxy-settings.ts";
import { parseTarget } from "../../../core/target.ts";
import { accessOf, certificateShownTo } from "../../../policy/access/origin-access.ts";
import { mayIntercept } from "../../../policy/access/tunnels.ts";
import { type Authority, createAuthority } from "../../support/authority.ts";

let folder: string;
let authority: Authority;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "larder-origin-access-"));
  authority = await createAuthority(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What `larder.toml` with that text says of origins; the authority's files stand beside it. */
function load(toml: string) {
  const config = join(folder, "larder.toml");
  writeFileSync(config, toml);
  return loadConfig({ flags: { config }, env: { HOME: folder }, workingDir: folder }).originFiles;
}

const PAIR = 'clientCert = "good.pem"\nclientKey = "good.key"\n';

describe('[origin."HOST"] of larder.toml', () => {
  test("names files relative to its own folder", () => {
    expect(load(`[origin."cdn.redhat.com"]\n${PAIR}ca = "/etc/rhsm/ca/redhat-uep.pem"\n`)).toEqual([
      {
        host: "cdn.redhat.com",
        client: { certFile: join(folder, "good.pem"), keyFile: join(folder, "good.key") },
        caFile: "/etc/rhsm/ca/redhat-uep.pem",
      },
    ]);
  });

  test.for<[why: string, toml: string, said: RegExp]>([
    ["half a pair", '[origin."a.example"]\nclientCert = "good.pem"\n', /clientCert and clientKey together/],
    [
      "an unknown key",
      '[origin."a.example"]\nclientcerts = "x"\n',
      /unknown key clientcerts .* did you mean clientCert\?/,
    ],
    [
      "no host",
      '[origin."http://a.example"]\nca = "ca.pem"\n',
      /origin .* is "http:\/\/a\.example"; allowed: a host name/,
    ],
    ["no table", 'origin = "a.example"\n', /tables that begin with \[origin\."HOST"\]/],
    ["no path", '[origin."a.example"]\nca = 1\n', /ca of origin a\.example .* is 1; allowed: the path of a PEM file/],
  ])("is refused: %s", ([, toml, said]) => {
    expect(() => load(toml)).toThrow(said);
  });
});

describe("the files it names", () => {
  test("are a certificate, its key and roots", () => {
    const [access] = loadOriginAccess(load(`[origin."a.example"]\n${PAIR}ca = "ca.pem"\n`));
    expect(access?.roots).toBe(authority.caPem);
    expect(access?.clientCertificate).toMatchObject({ certificatePem: authority.certificate("good").cert });
    expect(access?.clientCertificate?.fingerprint256).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  });

  test.for<[why: string, table: string, said: RegExp]>([
    [
      "missing",
      'clientCert = "gone.pem"\nclientKey = "good.key"\n',
      /origin a\.example: .*gone\.pem cannot be used \(ENOENT/,
    ],
    ["no certificate", 'clientCert = "good.key"\nclientKey = "good.key"\n', /good\.key cannot be used/],
    ["no key", 'clientCert = "good.pem"\nclientKey = "good.pem"\n', /good\.pem cannot be used/],
    ["of another pair", 'clientCert = "good.pem"\nclientKey = "ca.key"\n', /ca\.key is not the key of .*good\.pem/],
    ["no roots", 'ca = "good.key"\n', /good\.key cannot be used/],
  ])("are refused at the start: %s", ([, table, said]) => {
    const files = load(`[origin."a.example"]\n${table}`);
    expect(() => loadOriginAccess(files)).toThrow(said);
  });
});

describe("a certificate for an entitlement host", () => {
  test("has its tunnels opened, which are passed through otherwise", () => {
    const settings = { intercept: [], tunnel: [] };
    expect(mayIntercept("cdn.redhat.com", tunnelPatterns(settings, []))).toBe(false);
    const entitled = loadOriginAccess(load(`[origin."cdn.redhat.com"]\n${PAIR}`));
    expect(mayIntercept("cdn.redhat.com", tunnelPatterns(settings, entitled))).toBe(true);
    expect(mayIntercept("subscription.rhsm.redhat.com", tunnelPatterns(settings, entitled))).toBe(false);
    const rootsOnly = loadOriginAccess(load('[origin."cdn.redhat.com"]\nca = "ca.pem"\n'));
    expect(mayIntercept("cdn.redhat.com", tunnelPatterns(settings, rootsOnly))).toBe(false);
  });

  test("is shown to the hosts it is for, over https, and the most exact table counts", () => {
    const tables = `[origin."*.a.example"]\nca = "ca.pem"\n[origin."cdn.a.example"]\n${PAIR}`;
    const accesses = loadOriginAccess(load(tables));
    const shownTo = (uri: string) => certificateShownTo(parseTarget(uri), accesses);
    expect(shownTo("https://cdn.a.example/x")).toMatch(/:/);
    expect(shownTo("http://cdn.a.example/x")).toBeUndefined();
    expect(shownTo("https://other.a.example/x")).toBeUndefined();
    expect(accessOf("other.a.example", accesses)?.roots).toBe(authority.caPem);
    expect(accessOf("a.example", accesses)).toBeUndefined();
  });
});
