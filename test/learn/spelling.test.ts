import fc from "fast-check";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { packagesOf, releaseOf, test } from "./learning-bench.ts";

const A = "https://a.example/repository/";
const INDEX = "dists/stable/main/binary-amd64/Packages";

describe("a name", () => {
  test("is found however a client writes it", async ({ bench }) => {
    const segment = fc
      .stringMatching(/^[A-Za-z0-9._~+:,=@ %#?&é[\]^-]{1,12}$/)
      .filter((text) => !/^\.+$|^ | $/.test(text));
    const names = fc
      .sample(fc.array(segment, { minLength: 1, maxLength: 3 }), 60)
      .map((parts) => `pool/${parts.join("/")}`);
    const packages = packagesOf(Object.fromEntries(names.map((name) => [name, name])));
    await bench.pass(`${A}dists/stable/Release`, releaseOf({ "main/binary-amd64/Packages": packages }));
    expect(await bench.pass(A + INDEX, packages)).toMatchObject({ kind: "learnt", skipped: 0 });
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.array(fc.nat(2), { minLength: 40, maxLength: 40 }),
        (name, spelling) => {
          expect(bench.digestAt(A + spell(name, spelling))).toBe(digestOf(name));
        },
      ),
    );
  });
});

/** A path as a URI has it: each character escaped as it must be, escaped though it need not be, or bare. */
function spell(path: string, spelling: readonly number[]): string {
  return [...path].map((character, at) => spellOne(character, spelling[at % spelling.length] ?? 0)).join("");
}

function spellOne(character: string, spelling: number): string {
  if (character === "/") return spelling === 2 ? "//" : "/";
  if (/[%#? é[\]^]/.test(character) || spelling > 0) return escaped(character, spelling === 2);
  return character;
}

function escaped(character: string, isLowerCase: boolean): string {
  const octets = [...Buffer.from(character)].map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, "0")}`);
  return isLowerCase ? octets.join("").toLowerCase() : octets.join("");
}
