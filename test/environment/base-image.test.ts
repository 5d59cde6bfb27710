import { describe, expect, test } from "vitest";
import { describeBaseImageDifference, readBaseImageArgument } from "../../clients/base-image.ts";

describe("ARG BASE_IMAGE of a Containerfile", () => {
  test.for<[why: string, text: string, fallback: string | undefined]>([
    ["plain", "ARG BASE_IMAGE=debian:12\nFROM $BASE_IMAGE\n", "debian:12"],
    ["lower case, indented, quoted", '  arg BASE_IMAGE="debian:12"\n', "debian:12"],
    ["in single quotes", "ARG BASE_IMAGE='debian:12'\n", "debian:12"],
    ["with a digest", "ARG BASE_IMAGE=quay.io/a/b@sha256:0a1b\n", "quay.io/a/b@sha256:0a1b"],
    ["beside others", "ARG A=1 BASE_IMAGE=debian:12 B\n", "debian:12"],
    ["over several lines, with a comment between them", "ARG \\\n  # which\n  BASE_IMAGE=debian:12\n", "debian:12"],
    ["with the escape directive", "# escape=`\nARG `\n BASE_IMAGE=debian:12\n", "debian:12"],
    ["with Windows line ends", "ARG BASE_IMAGE=debian:12\r\nFROM $BASE_IMAGE\r\n", "debian:12"],
    ["from earlier arguments", `ARG V=12\nARG BASE_IMAGE=debian:\${V}-$V\n`, "debian:12-12"],
    ["from a default of a default", `ARG BASE_IMAGE=debian:\${V:-12}\n`, "debian:12"],
    ["without a default", "ARG BASE_IMAGE\nFROM $BASE_IMAGE\n", undefined],
    ["from what the build is given", "ARG V\nARG BASE_IMAGE=debian:$V\n", undefined],
    ["given twice: the first, which FROM sees", "ARG BASE_IMAGE=a\nFROM $BASE_IMAGE\nARG BASE_IMAGE=b\n", "a"],
  ])("%s", ([, text, fallback]) => {
    expect(readBaseImageArgument(text)).toEqual({ fallback });
  });

  test.for([["FROM debian:12\n"], ["# ARG BASE_IMAGE=debian:12\n"], ["ARG BASE_IMAGES=debian:12\n"], [""]])(
    "is not there in %j",
    ([text = ""]) => {
      expect(readBaseImageArgument(text)).toBeUndefined();
    },
  );
});

describe("the image given once", () => {
  test("is told apart from another default, and both are named", () => {
    const said = describeBaseImageDifference("debian:13", { fallback: "debian:12" });
    expect(said).toContain("BASE_IMAGE is debian:13");
    expect(said).toContain("ARG BASE_IMAGE says debian:12");
  });

  test("needs no word when it is the same, or there is nothing to compare", () => {
    expect(describeBaseImageDifference("debian:12", { fallback: "debian:12" })).toBeUndefined();
    expect(describeBaseImageDifference("debian:12", { fallback: undefined })).toBeUndefined();
    expect(describeBaseImageDifference("debian:12", undefined)).toBeUndefined();
  });
});
