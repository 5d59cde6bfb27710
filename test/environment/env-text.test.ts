import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readEnvText } from "../../clients/env-text.ts";
import { renderEnvFragment } from "../../clients/fragments.ts";

describe("env fragments", () => {
  test("say again what was written into them, whatever it holds", () => {
    const text = fc.string({ unit: fc.constantFrom(..."ab/ '\"\\$`!#&;|<>()*?[]{}~=%\té€𝄞") });
    const variables = fc.dictionary(fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,8}$/), text, { noNullPrototype: true });
    fc.assert(
      fc.property(variables, (written) => {
        expect(readEnvText(renderEnvFragment(written))).toEqual(written);
      }),
    );
  });

  test.for<[line: string, value: string]>([
    ["A=b", "b"],
    ["export A=b", "b"],
    ["  A=b  ", "b"],
    ["A=", ""],
    ["A='a b'", "a b"],
    ['A="a b"', "a b"],
    ['A="a\\"b\\\\c\\x"', 'a"b\\c\\x'],
    ["A=a\\ b", "a b"],
    ["A=a'b'\"c\"d", "abcd"],
    ["A=a=b,c:/d@e#f", "a=b,c:/d@e#f"],
  ])("written by hand: %s", ([line, value]) => {
    expect(readEnvText(`# a comment\n\n${line}\n`)).toEqual({ A: value });
  });

  test("that name a variable twice mean the last", () => {
    expect(readEnvText("A=1\nB=2\nA=3\n")).toEqual({ A: "3", B: "2" });
  });

  test.for([
    ["A=$B"],
    ["A=`id`"],
    ['A="$(id)"'],
    ["A=a b"],
    ["A=a; B=c"],
    ["A='a"],
    ['A="a'],
    ["A b"],
    ["1=a"],
    ["A=#"],
  ])("are data: %s is refused, and named", ([line = ""]) => {
    expect(() => readEnvText(`${line}\n`)).toThrow(expect.objectContaining({ code: "CONFIG_BAD_VALUE" }));
    expect(() => readEnvText(`${line}\n`)).toThrow(JSON.stringify(line));
  });
});
