import { expect, test } from "vitest";
import { unsuitableFileSystem } from "../../storage/root-dir.ts";

test("network file systems are told by the magic number of statfs(2), however its sign was read", () => {
  expect([0x6969, 0x01021997, 0xff534d42, 0xff534d42 | 0, 0xfe534d42 | 0].map(unsuitableFileSystem)).toEqual([
    "NFS",
    "9p",
    "CIFS",
    "CIFS",
    "SMB",
  ]);
});

test("local file systems are suitable: ext4, xfs, btrfs, tmpfs, overlay", () => {
  expect([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630].map(unsuitableFileSystem)).toEqual(
    Array(5).fill(undefined),
  );
});
