import { describe, expect, test } from "vitest";
import { parseTarget } from "../../core/target.ts";
import { classify } from "../../ecosystems/classify.ts";
import { classified } from "./classified.ts";

const DEBIAN = "http://deb.debian.org/debian";

describe("deb: payloads", () => {
  test.each([
    `${DEBIAN}/pool/main/c/curl/curl_7.88.1-10+deb12u5_amd64.deb`,
    "http://archive.ubuntu.com/ubuntu/pool/main/libr/libreoffice/libreoffice-core_1%3a7.3.7-0ubuntu0.22.04.4_amd64.deb",
    "http://ddebs.ubuntu.com/pool/main/b/bash/bash-dbgsym_5.1-6ubuntu1_amd64.ddeb",
    `${DEBIAN}/pool/main/d/debian-installer/netcfg_1.187_amd64.udeb`,
    "https://apt.example.org/flat/./tool_1.0_all.deb",
    "https://ppa.launchpadcontent.net/deadsnakes/ppa/ubuntu/pool/main/p/python3.11/python3.11_3.11.7-1+jammy1_amd64.deb",
    "https://bucket.s3.amazonaws.com/pool/a_1_amd64.deb?X-Amz-Signature=abc%2Fdef&x=/y.txt",
    `${DEBIAN}/pool/main/c/curl/curl_7.88.1-10.dsc`,
    `${DEBIAN}/pool/main/c/curl/curl_7.88.1.orig.tar.gz`,
    `${DEBIAN}/pool/main/c/curl/curl_7.88.1.orig.tar.gz.asc`,
    `${DEBIAN}/pool/main/f/firefox/firefox_115.0.orig-l10n.tar.xz`,
    `${DEBIAN}/pool/main/c/curl/curl_7.88.1-10.debian.tar.xz`,
    `${DEBIAN}/pool/main/a/apt/apt_2.6.1.tar.xz`,
    `${DEBIAN}/pool/main/h/hello/hello_2.10-2.diff.gz`,
    "https://apt.example.org/flat/hello_2.10-2.dsc",
    "https://apt.example.org/flat/hello_2.10.orig.tar.gz",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("payload deb identity");
  });
});

describe("deb: roots", () => {
  test.each([
    `${DEBIAN}/dists/bookworm/InRelease`,
    `${DEBIAN}/dists/bookworm/Release`,
    `${DEBIAN}/dists/bookworm/Release.gpg`,
    "http://security.debian.org/debian-security/dists/bookworm-security/updates/InRelease",
    "https://apt.example.org/flat/./InRelease",
    "https://download.opensuse.org/repositories/x/Debian_12/Release",
    "https://snapshot.debian.org/archive/debian/20240101T000000Z/dists/sid/InRelease",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("root deb identity");
  });
});

describe("deb: signatures", () => {
  const signingOf = (uri: string) => {
    const { signature, signs } = classify(parseTarget(uri), undefined);
    return { signature, signs };
  };

  test("are looked for beside a Release where there is no InRelease", () => {
    expect(classify(parseTarget(`${DEBIAN}/dists/bookworm/InRelease`), undefined).otherwise).toBe("Release");
  });

  test("stand in an InRelease, and beside a Release", () => {
    const suite = `${DEBIAN}/dists/bookworm`;
    expect(signingOf(`${suite}/InRelease`)).toEqual({ signature: { kind: "clearsigned" }, signs: undefined });
    expect(signingOf(`${suite}/Release`)).toEqual({
      signature: { kind: "detached", suffix: ".gpg" },
      signs: undefined,
    });
    expect(signingOf(`${suite}/Release.gpg`)).toEqual({ signature: undefined, signs: ".gpg" });
  });
});

describe("deb: members", () => {
  test.each([
    `${DEBIAN}/dists/bookworm/main/binary-amd64/Packages`,
    `${DEBIAN}/dists/bookworm/main/binary-amd64/Packages.xz`,
    `${DEBIAN}/dists/bookworm/main/binary-amd64/Release`,
    `${DEBIAN}/dists/bookworm/main/source/Release`,
    `${DEBIAN}/dists/bookworm/main/source/Sources.gz`,
    `${DEBIAN}/dists/bookworm/main/binary-amd64/by-hash/SHA256/${"0123456789abcdef".repeat(4)}`,
    `${DEBIAN}/dists/bookworm/main/binary-all/by-hash/MD5Sum/${"0123456789abcdef".repeat(2)}`,
    `${DEBIAN}/dists/sid/main/binary-amd64/Packages.diff/Index`,
    `${DEBIAN}/dists/sid/main/binary-amd64/Packages.diff/T-2024-01-01-0802.32-F-2023-12-31-2002.04.gz`,
    `${DEBIAN}/dists/sid/main/Contents-amd64.diff/Index`,
    `${DEBIAN}/dists/bookworm/main/Contents-amd64.gz`,
    `${DEBIAN}/dists/bookworm/main/i18n/Translation-en.bz2`,
    `${DEBIAN}/dists/bookworm/main/i18n/Index`,
    `${DEBIAN}/dists/bookworm/main/dep11/Components-amd64.yml.xz`,
    `${DEBIAN}/dists/bookworm/main/dep11/icons-64x64.tar.gz`,
    "http://archive.ubuntu.com/ubuntu/dists/jammy/main/cnf/Commands-amd64.xz",
    "https://apt.example.org/flat/./Packages.gz",
    "https://apt.example.org/flat/Sources",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("member deb identity");
  });
});

describe("deb: what only looks like it", () => {
  test.each([
    `${DEBIAN}/dists/bookworm/`,
    `${DEBIAN}/dists/bookworm/main/installer-amd64/current/images/netboot/netboot.tar.gz`,
    `${DEBIAN}/doc/FAQ/debian-faq.en.txt.gz`,
    "https://example.org/download?file=a.deb",
    "https://example.org/debian",
    "https://example.org/Release/notes",
    "https://example.org/PackagesX",
    "https://example.org/Contents-amd64.gz",
    "https://example.org/releases/tool_1.2_linux.tar.gz",
    "https://example.org/by-hash/SHA256/not-a-hash",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("other");
  });
});
