import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { lend, STAMP, takeBack } from "../../runtime/lent-folder.ts";
import { test as base } from "../support/fixtures.ts";

/** What an image has in a folder, what a container has done to a copy of it, and what the image has then. */
const test = base.extend("change", ({ folder }) => (change: (folder: string) => void) => {
  const [byHand, rootDir] = [join(folder, "by-hand"), join(folder, "rootfs")];
  for (const made of [byHand, rootDir]) {
    mkdirSync(join(made, "etc/dnf/vars"), { recursive: true });
    mkdirSync(join(made, "etc/dnf/old/deep"), { recursive: true });
    writeFileSync(join(made, "etc/dnf/dnf.conf"), "[main]\na=1\n");
    for (const name of ["vars/one", "vars/two", "old/deep/file"]) writeFileSync(join(made, "etc/dnf", name), name);
  }
  const loan = { rootDir, path: "/etc/dnf", file: "dnf.conf", text: "[main]\nours\na=1\n", inserted: "ours\n" };
  const { source = "" } = lend(join(folder, "lent"), loan, "");
  awaitTick(join(folder, "lent", STAMP), join(folder, "clock"));
  change(source);
  takeBack(join(folder, "lent"));
  change(join(byHand, "etc/dnf"));
  return { after: listing(join(rootDir, "etc/dnf")), expected: listing(join(byHand, "etc/dnf")) };
});

/** A container takes longer to start than the clock of a file system to move on. */
function awaitTick(since: string, clock: string): void {
  const { mtimeMs } = statSync(since);
  do writeFileSync(clock, "tick");
  while (statSync(clock).mtimeMs <= mtimeMs);
}

/** Every name with its type, rights, owner, target and content. */
function listing(folder: string): string {
  const print = "find . -printf '%p %y %m %U:%G %l\\n' -type f -exec cat {} \\; | sort";
  return execFileSync("sh", ["-c", print], { cwd: folder, encoding: "utf8" });
}

const append = (file: string, text: string) => writeFileSync(file, readFileSync(file, "utf8") + text);

describe("a folder that was lent", () => {
  test.for<readonly [string, (folder: string) => void]>([
    ["nothing", () => undefined],
    ["a line added to the file", (at) => append(join(at, "dnf.conf"), "b=2\n")],
    [
      "the file replaced by another, as sed -i does",
      (at) => {
        append(join(at, "dnf.conf"), "c=3\n");
        writeFileSync(join(at, "new"), readFileSync(join(at, "dnf.conf")));
        renameSync(join(at, "new"), join(at, "dnf.conf"));
      },
    ],
    ["the file written anew", (at) => writeFileSync(join(at, "dnf.conf"), "[main]\nmine=1\n")],
    ["the file removed", (at) => rmSync(join(at, "dnf.conf"))],
    [
      "other files added and removed",
      (at) => {
        writeFileSync(join(at, "vars/three"), "3");
        symlinkSync("../dnf.conf", join(at, "vars/link"));
        rmSync(join(at, "vars/one"));
      },
    ],
    [
      "folders moved and removed",
      (at) => {
        renameSync(join(at, "old"), join(at, "vars/moved"));
        rmSync(join(at, "vars/moved/deep"), { recursive: true });
      },
    ],
    [
      "a file in place of a folder, and a folder in place of a file",
      (at) => {
        rmSync(join(at, "old"), { recursive: true });
        writeFileSync(join(at, "old"), "");
        rmSync(join(at, "vars/two"));
        mkdirSync(join(at, "vars/two"));
      },
    ],
    [
      "rights and owners",
      (at) => {
        chmodSync(join(at, "vars/two"), 0o4711);
        chownSync(join(at, "vars/one"), 7, 8);
        chmodSync(join(at, "vars"), 0o700);
        chmodSync(at, 0o750);
        chownSync(at, 9, 9);
      },
    ],
  ])("gives its image %s", async ([, change], { change: made }) => {
    const { after, expected } = made(change);
    expect(after).toBe(expected);
    expect(after).not.toContain("ours");
  });
});
