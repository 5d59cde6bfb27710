import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadConfig } from "../../../cli/settings/config.ts";
import { describeParent, loadParentRules } from "../../../cli/settings/parents.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "larder-parents-"));
});

afterEach(() => rm(folder, { recursive: true }));

async function read(toml: string) {
  const config = join(folder, "larder.toml");
  await writeFile(config, toml);
  return loadConfig({ flags: { config }, env: { HOME: folder }, workingDir: folder }).parents;
}

describe("[[parent]] of larder.toml", () => {
  test("names proxies in order, for hosts, a scheme, and with the credentials of a file beside it", async () => {
    const file = join(folder, "proxy-user");
    await writeFile(file, "me:se:cret\n");
    await chmod(file, 0o600);
    const parents = await read(`
[[parent]]
hosts = ["*.example.com"]
scheme = "https"
via = ["http://a.corp:3128", "direct"]
credentials = "proxy-user"
[[parent]]
via = "http://me:own@b.corp:3128"
`);
    expect(loadParentRules(parents)).toEqual([
      {
        hosts: ["*.example.com"],
        scheme: "https",
        routes: ["http://a.corp:3128", "direct"],
        credentials: "me:se:cret",
      },
      { hosts: ["*"], scheme: undefined, routes: ["http://me:own@b.corp:3128"], credentials: undefined },
    ]);
    expect(parents.map(describeParent)).toEqual([
      `https to *.example.com via http://a.corp:3128, direct with the credentials of ${file}`,
      "http and https to * via http://…@b.corp:3128",
    ]);
  });

  test.each([
    ["no way out", "[[parent]]\nhosts = ['a']"],
    ["a proxy of another kind", "[[parent]]\nvia = 'socks5://me:secret@a:1080'"],
    ["an unknown scheme", "[[parent]]\nscheme = 'ftp'\nvia = 'direct'"],
    ["a word for direct that is none", "[[parent]]\nvia = 'drect'"],
    ["a pattern that is none", "[[parent]]\nhosts = ['a/b']\nvia = 'direct'"],
    ["a table that is no list", "[parent]\nvia = 'http://me:secret@a'"],
  ])("is refused with %s, and no password is written down", async (_, toml) => {
    await expect(read(toml)).rejects.toMatchObject({ code: "CONFIG_BAD_VALUE" });
    await expect(read(toml)).rejects.not.toThrow("secret");
  });

  test("is refused with a key that it does not have", async () => {
    await expect(read("[[parent]]\nvias = ['direct']")).rejects.toMatchObject({ code: "CONFIG_UNKNOWN_KEY" });
  });

  test.each([
    ["that is not there", undefined, 0],
    ["that everybody may read", "me:secret", 0o644],
    ["without a colon", "secret", 0o600],
    ["of two lines", "me:secret\nyou:secret", 0o600],
  ])("is refused with a file of credentials %s", async (_, text, mode) => {
    const file = join(folder, "proxy-user");
    if (text !== undefined) {
      await writeFile(file, text);
      await chmod(file, mode);
    }
    const parents = await read("[[parent]]\nvia = 'http://a'\ncredentials = 'proxy-user'");
    expect(() => loadParentRules(parents)).toThrow(expect.objectContaining({ code: "CONFIG_BAD_VALUE" }));
    expect(() => loadParentRules(parents)).not.toThrow("secret");
  });
});
