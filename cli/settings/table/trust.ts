import type { SettingRow } from "../row.ts";

/** Whose word counts about which bytes are right. */
export const BELIEF = {
  delegate: {
    kind: "hostPattern",
    isList: true,
    fallback: [],
    help: "host (or *.suffix) whose https mirror lists, metalinks and package indexes are believed about mirrors and file hosts other than itself",
    reason:
      "beside the built-in list of distributions' mirror services and of PyPI; whoever stands here decides which bytes are right",
  },
  verifySignatures: {
    kind: "demand",
    isList: false,
    fallback: "off",
    help: "signatures of InRelease, Release and repomd.xml, checked by gpgv: off (nobody looks), warn (tell in the log) or require (refuse what is not signed by a key of --keyrings)",
    reason:
      "off: larder knows nobody's keys, and apt and dnf check the signatures themselves; what it serves is what the repository published",
  },
  keyrings: {
    kind: "path",
    isList: true,
    fallback: [],
    help: "folder of public keys (*.gpg, *.asc) for --verify-signatures",
    reason: "whose signature counts is the user's word; a key here vouches for every repository",
  },
  minReleaseAge: {
    kind: "age",
    isList: false,
    fallback: "0",
    help: "age, such as 7d, that a release must have, where its index tells when it was published (PyPI in JSON, npm); younger ones are refused; 0: any",
    reason:
      "0: a proxy refuses nothing that it was not told to; most releases of stolen accounts are found within a week",
  },
  minReleaseAgeAllow: {
    kind: "packageName",
    isList: true,
    fallback: [],
    help: "package that may be of any age; * stands for a part of its name, as in @scope/*",
    reason: "your own releases, and the fix that cannot wait",
  },
  nixPublicKeys: {
    kind: "nixKey",
    isList: true,
    fallback: [],
    help: "key (name:base64, as in Nix's trusted-public-keys) that may sign narinfos; with any, a narinfo that none of them signed is refused",
    reason: "Nix checks signatures itself; a key here keeps what it would refuse out of the store",
  },
  verifyNars: {
    kind: "onOff",
    isList: false,
    fallback: "off",
    help: "whether nars are unpacked behind their downloads, and those that are not what the NarHash of their narinfo says leave the store",
    reason:
      "off: it takes as much of a processor as Nix itself, which checks the same; a nar is held against its FileHash in any case",
  },
  nixUpstream: {
    kind: "url",
    isList: true,
    fallback: ["https://cache.nixos.org/"],
    help: "binary cache of Nix that http://HOST:3142/nix/ stands for; the first given is asked first",
    reason: "the public cache; what it has is signed, so that its clients need no word of larder's",
  },
  verifyRanges: {
    kind: "rangePolicy",
    isList: false,
    fallback: "wait",
    help: "parts of declared files that are not stored yet: wait (for the verified whole, up to --range-wait; longer ones pass unverified), pass (unverified, straight from the origin) or refuse (nothing unverified: beyond --range-wait the answer is the whole file)",
    reason:
      "wait: metadata readers and resuming clients get verified bytes; who wants a little of an image of gigabytes cannot wait for all of it",
  },
  rangeWait: {
    kind: "size",
    isList: false,
    fallback: "16MiB",
    help: "length up to which a part of a declared file waits until the whole is verified",
    reason: "a second or two of download on most lines, well below any client's patience",
  },
} as const satisfies Readonly<Record<string, SettingRow>>;
