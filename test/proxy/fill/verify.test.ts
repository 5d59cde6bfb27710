import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Declaration } from "../../../core/declaration.ts";
import { digestOf } from "../../../core/digest.ts";
import { Verifier } from "../../../proxy/fill/verify.ts";

const body = Buffer.from("the bytes of a package");
const sealed = { digest: digestOf(body), bytes: body.length };
const declare = (over: Partial<Declaration> = {}): Declaration => ({
  algorithm: "sha256",
  digest: sealed.digest,
  bytes: body.length,
  ...over,
});

describe("a verifier", () => {
  test("lets everything pass that nothing declares", () => {
    expect(() => new Verifier(undefined).check(sealed)).not.toThrow();
  });

  test("accepts what the repository declares", () => {
    expect(() => new Verifier(declare()).check(sealed)).not.toThrow();
    expect(() => new Verifier(declare({ bytes: undefined })).check(sealed)).not.toThrow();
  });

  test("accepts a body declared by sha512, hashed as it came", () => {
    const verifier = new Verifier(
      declare({ algorithm: "sha512", digest: createHash("sha512").update(body).digest("hex") }),
    );
    verifier.update(body.subarray(0, 5));
    verifier.update(body.subarray(5));
    expect(() => verifier.check(sealed)).not.toThrow();
  });

  test("names both digests when they differ", () => {
    const declared = declare({ digest: "0".repeat(64) });
    expect(() => new Verifier(declared).check(sealed)).toThrow(
      expect.objectContaining({
        code: "DIGEST_MISMATCH",
        details: { algorithm: "sha256", declared: declared.digest, received: sealed.digest },
      }),
    );
  });

  test("knows a wrong length before the first byte, in the middle, and at the end", () => {
    const verifier = new Verifier(declare({ bytes: 10 }));
    expect(verifier.mayBeLong(10)).toBe(true);
    expect(verifier.mayBeLong(11)).toBe(false);
    expect(verifier.isTooLong(10)).toBe(false);
    expect(verifier.isTooLong(11)).toBe(true);
    expect(() => verifier.check(sealed)).toThrow(
      expect.objectContaining({
        code: "SIZE_MISMATCH",
        details: {
          algorithm: "sha256",
          declared: sealed.digest,
          received: sealed.digest,
          declaredBytes: 10,
          receivedBytes: body.length,
        },
      }),
    );
  });
});
