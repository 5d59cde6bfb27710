import { describe, expect, test } from "vitest";
import { classified } from "./classified.ts";

const STORE_HASH = "0c0p5k9v0y5yi9q0jynh8l5q0cwqljm4";
const FILE_HASH = "1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3";

describe("Nix: payloads", () => {
  test.each([
    `https://cache.nixos.org/nar/${FILE_HASH}.nar.xz`,
    `https://x.cachix.org/nar/${FILE_HASH}.nar.zst`,
    `https://attic.example/main/nar/${STORE_HASH}.nar`,
    `http://harmonia.example/nar/${FILE_HASH}.nar?hash=${STORE_HASH}`,
    `https://cache.example/nar/${FILE_HASH}`,
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("payload nix identity");
  });
});

describe("Nix: roots", () => {
  test.each([
    `https://cache.nixos.org/${STORE_HASH}.narinfo`,
    `https://attic.example/main/${STORE_HASH}.narinfo`,
    "https://cache.nixos.org/nix-cache-info",
    "https://cache.nixos.org/realisations/sha256:ab12!out.doi",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("root nix identity");
  });
});

describe("Nix: what nothing declares", () => {
  test.each([
    `https://cache.nixos.org/${STORE_HASH}.ls`,
    `https://cache.nixos.org/log/${STORE_HASH}-hello-2.12.drv`,
    "https://cache.nixos.org/debuginfo/0123456789abcdef",
    "https://channels.nixos.org/nixos-23.11/nixexprs.tar.xz",
    "https://example.org/nar/readme",
  ])("%s", (uri) => {
    expect(classified(uri)).toBe("other");
  });
});
