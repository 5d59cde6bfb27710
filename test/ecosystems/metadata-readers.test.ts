import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseTarget } from "../../core/target.ts";
import { locateMetadata } from "../../ecosystems/locate.ts";
import type { DocumentKind } from "../../ecosystems/metadata.ts";
import { chunkings, hex, KINDS, read, readChunks, reasonOf } from "./reader-workbench.ts";

/** The place in words: role, kind, compression, base, path and scope. */
function located(uri: string): string | undefined {
  const place = locateMetadata(parseTarget(uri));
  if (place === undefined) return undefined;
  const { kind, compression } = place.document;
  const where = place.role === "mirrors" ? [place.base ?? "-"] : [place.base, place.path, place.scope ?? "-"];
  return [place.role, kind, compression, ...where].join(" ");
}

const DEBIAN = "http://deb.debian.org/debian/";
const SECURITY = "http://security.debian.org/debian-security/";
const FLAT = "https://download.opensuse.org/repositories/home:/a/Debian_12/";
const FEDORA = "https://dl.fedoraproject.org/pub/fedora/linux/releases/40/Everything/x86_64/os/";

describe("the URI of a Debian document tells its repository", () => {
  test.for([
    [
      `${DEBIAN}dists/bookworm/InRelease`,
      `root deb-inrelease plain ${DEBIAN} dists/bookworm/InRelease dists/bookworm/`,
    ],
    [`${DEBIAN}dists/bookworm/Release`, `root deb-release plain ${DEBIAN} dists/bookworm/Release dists/bookworm/`],
    [
      `${SECURITY}dists/stable/updates/InRelease`,
      `root deb-inrelease plain ${SECURITY} dists/stable/updates/InRelease dists/stable/updates/`,
    ],
    [
      "https://snapshot.debian.org/archive/debian/20240101T000000Z/dists/sid/InRelease",
      "root deb-inrelease plain https://snapshot.debian.org/archive/debian/20240101T000000Z/ dists/sid/InRelease dists/sid/",
    ],
    [
      "http://dists/dists/dists/dists/a/Release",
      "root deb-release plain http://dists/dists/dists/ dists/a/Release dists/a/",
    ],
    ["http://h/dists/InRelease", "root deb-inrelease plain http://h/dists/ InRelease "],
    [
      `${DEBIAN}dists/bookworm/main/binary-amd64/Packages.xz`,
      `member deb-packages xz ${DEBIAN} dists/bookworm/main/binary-amd64/Packages.xz -`,
    ],
    [
      `${DEBIAN}dists/bookworm/main/debian-installer/binary-amd64/Packages.gz`,
      `member deb-packages gzip ${DEBIAN} dists/bookworm/main/debian-installer/binary-amd64/Packages.gz -`,
    ],
    [
      `${DEBIAN}dists/bookworm/main/source/Sources.zst`,
      `member deb-sources zstd ${DEBIAN} dists/bookworm/main/source/Sources.zst -`,
    ],
    [
      `${DEBIAN}dists/sid/main/binary-amd64/Packages.diff/Index`,
      `member deb-pdiff-index plain ${DEBIAN} dists/sid/main/binary-amd64/Packages.diff/Index -`,
    ],
    [`${FLAT}InRelease`, `root deb-inrelease plain ${FLAT} InRelease `],
    [`${FLAT}./Release`, `root deb-release plain ${FLAT} Release `],
    [`${FLAT}/./Packages.bz2`, `member deb-packages bzip2 ${FLAT} Packages.bz2 -`],
    [`${FLAT}Packages.diff/Index`, `member deb-pdiff-index plain ${FLAT} Packages.diff/Index -`],
    ["http://h/Packages", "member deb-packages plain http://h/ Packages -"],
    ["http://h/a%7eb/InRelease", "root deb-inrelease plain http://h/a~b/ InRelease "],
  ] as const)("%s", ([uri, place]) => {
    expect(located(uri)).toBe(place);
  });
});

describe("the URI of an RPM document tells its repository", () => {
  test.for([
    [`${FEDORA}repodata/repomd.xml`, `root rpm-repomd plain ${FEDORA} repodata/repomd.xml `],
    [`${FEDORA}/repodata/repomd.xml`, `root rpm-repomd plain ${FEDORA} repodata/repomd.xml `],
    ["http://h/repodata/repomd.xml", "root rpm-repomd plain http://h/ repodata/repomd.xml "],
    [`${FEDORA}repodata/ab12-primary.xml.zst`, `member rpm-primary zstd ${FEDORA} repodata/ab12-primary.xml.zst -`],
    [`${FEDORA}repodata/primary.xml`, `member rpm-primary plain ${FEDORA} repodata/primary.xml -`],
    [`${FEDORA}repodata/ab12-primary.xml.zck`, `member rpm-primary zchunk ${FEDORA} repodata/ab12-primary.xml.zck -`],
    [
      `${FEDORA}repodata/ab12-prestodelta.xml.xz`,
      `member rpm-deltainfo xz ${FEDORA} repodata/ab12-prestodelta.xml.xz -`,
    ],
    ["https://mirrors.fedoraproject.org/metalink?repo=fedora-40&arch=x86_64", "mirrors rpm-metalink plain -"],
    ["https://mirrors.rockylinux.org/mirrorlist?arch=x86_64&repo=BaseOS-9", "mirrors rpm-mirrorlist plain -"],
    ["https://mirrors.almalinux.org/mirrorlist/9/baseos", "mirrors rpm-mirrorlist plain -"],
    ["http://mirrorlist.centos.org/?release=7&arch=x86_64&repo=os", "mirrors rpm-mirrorlist plain -"],
    ["https://cdn.amazonlinux.com/al2023/core/mirrors/latest/x86_64/mirror.list", "mirrors rpm-mirrorlist plain -"],
    [`${FEDORA}repodata/repomd.xml.metalink`, `mirrors rpm-metalink plain ${FEDORA}`],
    [`${FEDORA}repodata/repomd.xml.meta4`, `mirrors rpm-metalink plain ${FEDORA}`],
  ] as const)("%s", ([uri, place]) => {
    expect(located(uri)).toBe(place);
  });
});

test.for([
  `${DEBIAN}dists/bookworm/Release.gpg`,
  `${DEBIAN}dists/bookworm/main/binary-amd64/Release`,
  `${DEBIAN}dists/bookworm/main/source/Release`,
  `${DEBIAN}dists/bookworm/main/Contents-amd64.gz`,
  `${DEBIAN}dists/bookworm/main/i18n/Translation-en.xz`,
  `${DEBIAN}dists/bookworm/main/binary-amd64/by-hash/SHA256/${hex(1)}`,
  `${DEBIAN}dists/bookworm/main/binary-amd64/Packages.lzma`,
  `${DEBIAN}dists/bookworm/InRelease?a`,
  `${DEBIAN}dists/../InRelease`,
  `${DEBIAN}pool/main/c/curl/curl_1.deb`,
  `${FEDORA}repodata/repomd.xml.asc`,
  `${FEDORA}repodata/ab12-filelists.xml.zst`,
  `${FEDORA}repodata/ab12-primary.sqlite.bz2`,
  `${FEDORA}repodata/primary.xml.gz.asc`,
  `${FEDORA}repomd.xml`,
  `${FEDORA}repodata/sub/repomd.xml`,
  `${FEDORA}repodata/repomd.xml?token=a`,
  `${FEDORA}Packages/a/a.rpm`,
  "https://h/",
  "https://h/mirrorlists",
])("%s is no document with a reader", (uri) => {
  expect(located(uri)).toBeUndefined();
});

const REPOMD = `<?xml version="1.0"?><repomd><data type="primary"><checksum type="sha256">${hex(1)}</checksum>
  <location href="repodata/primary.xml.gz"/><size>10</size></data></repomd>`;
const PRIMARY = `<metadata><package type="rpm"><name>a</name><version epoch="0" ver="1" rel="2"/>
  <checksum type="sha256" pkgid="YES">${hex(1)}</checksum><location href="a.rpm"/><size package="1"/></package></metadata>`;
const CONTROL = `Package: a\nFilename: a.deb\nDirectory: d\nSize: 1\nSHA256: ${hex(1)}\n\n`;
const RELEASE = `Suite: a\nAcquire-By-Hash: yes\nSHA256:\n ${hex(1)} 10 main/Packages.xz\n`;
const SAMPLES: Readonly<Record<DocumentKind, string>> = {
  "deb-inrelease": `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${RELEASE}-----BEGIN PGP SIGNATURE-----\n\nab\n-----END PGP SIGNATURE-----\n`,
  "deb-release": RELEASE,
  "deb-packages": CONTROL + CONTROL.replace("a.deb", "b.deb"),
  "deb-sources": `Package: a\nDirectory: d\nChecksums-Sha256:\n ${hex(1)} 1 a.dsc\n ${hex(2)} 2 a.tar.xz\n\n`,
  "deb-pdiff-index": `SHA256-Patches:\n ${hex(1)} 1 T-1\nSHA256-Download:\n ${hex(2)} 1 T-1.gz\n`,
  "rpm-repomd": REPOMD,
  "rpm-primary": PRIMARY,
  "rpm-deltainfo": `<prestodelta><newpackage><delta><filename>a.drpm</filename><size>1</size><checksum type="sha256">${hex(1)}</checksum></delta></newpackage></prestodelta>`,
  "rpm-metalink": `<metalink><files><file name="repomd.xml"><size>1</size><verification><hash type="sha256">${hex(1)}</hash></verification><resources><url preference="1">http://h/repodata/repomd.xml</url></resources></file></files></metalink>`,
  "rpm-mirrorlist": "# a\nhttp://h/a\nhttps://h/b/\n",
  "pypi-simple": `<!DOCTYPE html><html><body><a href="../../packages/a-1.whl#sha256=${hex(1)}" data-core-metadata="sha256=${hex(2)}">a</a></body></html>`,
  "nix-narinfo": `StorePath: /nix/store/00bgd045z0d4icpbc2yyz4gx48ak44la-a\nURL: nar/1.nar.xz\nCompression: xz\nFileHash: sha256:${hex(1)}\nFileSize: 10\nNarHash: sha256:${hex(2)}\nNarSize: 20\nReferences: \nSig: a:b\n`,
  "npm-packument": `{"name":"a","versions":{"1.0.0":{"dist":{"tarball":"https://mirror.example/repository/a/-/a-1.0.0.tgz","shasum":"${hex(1, "sha1")}"}}}}`,
};

describe.for(KINDS)("the reader of %s", (kind) => {
  const sample = Buffer.from(SAMPLES[kind]);

  test("reads a document alike in any pieces", () => {
    const whole = read(kind, sample);
    expect(whole.declared.length + (whole.outcome.mirrors?.bases.length ?? 0)).toBeGreaterThan(0);
    fc.assert(
      fc.property(chunkings(sample), (chunks) => {
        expect(readChunks(kind, chunks)).toEqual(whole);
      }),
      { numRuns: 50 },
    );
  });

  test("takes any octets, or says that they are broken", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
        reasonOf(() => readChunks(kind, [octets]));
      }),
      { numRuns: 200 },
    );
  });

  test("takes a damaged document, or says that it is broken; no path that it then declares leaves the repository", () => {
    const edit = fc.record({
      at: fc.nat({ max: sample.length }),
      cut: fc.nat({ max: 20 }),
      put: fc.oneof(
        fc.uint8Array({ maxLength: 4 }),
        fc.constantFrom("../", "/", "%2e", "\n", "<", ">", "&#0;", "]]>", ":"),
      ),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        let damaged = sample;
        for (const { at, cut, put } of edits)
          damaged = Buffer.concat([damaged.subarray(0, at), Buffer.from(put), damaged.subarray(at + cut)]);
        reasonOf(() => {
          for (const { path, digests } of readChunks(kind, [damaged]).declared) {
            expect(path).toMatch(/^(?!\/)[!-~]+$/);
            expect(path.split("/")).not.toContain("..");
            expect(digests.length).toBeGreaterThan(0);
          }
        });
      }),
      { numRuns: 300 },
    );
  });
});
