import { describe, expect, test } from "vitest";
import { signingParameters } from "../../policy/signed-query.ts";

describe("signing parameters", () => {
  test.each([
    ["/a.deb?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=ab12&x=1", ["X-Amz-Signature=ab12"]],
    ["/a.deb?Expires=1&Signature=s&Key-Pair-Id=k", ["Signature=s"]],
    ["/a.deb?X-Goog-Signature=s", ["X-Goog-Signature=s"]],
    ["/a.deb?sv=2020&sig=a%2Bb", ["sig=a%2Bb"]],
    ["/a.deb?hdnts=exp=1~hmac=ab", ["hdnts=exp=1~hmac=ab"]],
    ["/a.deb?access%5Ftoken=t", ["access%5Ftoken=t"]],
    ["/a.deb?token=t&token=u", ["token=t", "token=u"]],
  ])("of %s are %j", (path, parameters) => {
    expect(signingParameters(path)).toEqual(parameters);
  });

  test.each([
    "/a.deb",
    "/token=1/a.deb",
    "/metalink?repo=fedora-42&arch=x86_64",
    "/a.deb?token=",
    "/a.deb?signature_type=gpg",
    "/a.deb?%zz=1",
    "/a.deb?",
  ])("of %s are none", (path) => {
    expect(signingParameters(path)).toEqual([]);
  });
});
