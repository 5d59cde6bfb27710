import { describe, expect, test } from "vitest";
import { parseTarget } from "../../core/target.ts";
import { classify } from "../../ecosystems/classify.ts";
import { classified } from "./classified.ts";

const FEDORA = "https://dl.fedoraproject.org/pub/fedora/linux/releases/40/Everything/x86_64/os";
const HASH = "0123456789abcdef".repeat(4);

describe("rpm: payloads", () => {
  test.each([
    `${FEDORA}/Packages/b/bash-5.2.26-3.fc40.x86_64.rpm`,
    "http://mirror.example/almalinux/9/BaseOS/x86_64/os/Packages/bash-5.1.8-9.el9.x86_64.rpm",
    "https://download.opensuse.org/tumbleweed/repo/oss/x86_64/bash-5.2.26-1.1.x86_64.rpm",
    `${FEDORA}/../source/tree/Packages/b/bash-5.2.26-3.fc40.src.rpm`,
    `${FEDORA}/drpms/bash-5.2.21-1.fc40_5.2.26-3.fc40.x86_64.drpm`,
    "https://cdn.example/content/bash.rpm?_auth_=exp=1~hmac=ab/c",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("payload rpm identity");
  });
});

describe("rpm: roots", () => {
  test.each([
    `${FEDORA}/repodata/repomd.xml`,
    `${FEDORA}/repodata/repomd.xml.asc`,
    "https://download.opensuse.org/tumbleweed/repo/oss/repodata/repomd.xml.key",
    "https://download.opensuse.org/tumbleweed/repo/oss/media.1/media",
    "https://download.opensuse.org/tumbleweed/repo/oss/media.1/products",
    "https://cdn.opensuse.org/tumbleweed/repoindex.xml",
    `${FEDORA}/.treeinfo`,
    `${FEDORA}/treeinfo`,
    "https://mirrors.fedoraproject.org/metalink?repo=fedora-40&arch=x86_64",
    "https://mirrors.fedoraproject.org/mirrorlist?repo=epel-9&arch=x86_64",
    "https://mirrors.almalinux.org/mirrorlist/9/baseos",
    "http://mirrorlist.centos.org/?release=7&arch=x86_64&repo=os",
    "https://download.opensuse.org/tumbleweed/repo/oss/x86_64/bash.x86_64.rpm.meta4",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("root rpm identity");
  });
});

describe("rpm: signatures", () => {
  test("stand beside repomd.xml; its key is none", () => {
    const signingOf = (name: string) => classify(parseTarget(`${FEDORA}/repodata/${name}`), undefined);
    expect(signingOf("repomd.xml")).toMatchObject({ signature: { kind: "detached", suffix: ".asc" } });
    expect(signingOf("repomd.xml.asc")).toMatchObject({ signs: ".asc" });
    expect(signingOf("repomd.xml.key").signs).toBeUndefined();
  });
});

describe("rpm: members", () => {
  test.each([
    `${FEDORA}/repodata/${HASH}-primary.xml.zst`,
    `${FEDORA}/repodata/primary.xml.gz`,
    `${FEDORA}/repodata/${HASH}-filelists.sqlite.bz2`,
    `${FEDORA}/repodata/${HASH}-comps-Everything.x86_64.xml`,
    `${FEDORA}/repodata/${HASH}-primary.xml.zck`,
    `${FEDORA}/repodata/${HASH}-modules.yaml.gz`,
    `${FEDORA}/repodata/updateinfo.xml.xz`,
    "https://cdn.example/content/dist/rhel9/9/x86_64/baseos/os/repodata/productid",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("member rpm identity");
  });
});

describe("rpm: what only looks like it", () => {
  test.each([
    `${FEDORA}/repodata/`,
    `${FEDORA}/images/boot.iso`,
    "https://example.org/rpm",
    "https://example.org/x.rpms",
    "https://example.org/download?name=x.rpm",
    "https://example.org/metalinks",
    "http://mirrorlist.centos.org/about",
    "https://example.org/",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("other");
  });
});
