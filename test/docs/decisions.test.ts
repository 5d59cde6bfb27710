import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "./documents.ts";

const FOLDER = join(ROOT, "docs/adr");
const names = (await readdir(FOLDER)).sort();

describe("docs/adr", () => {
  test("numbers the decisions from 1 on, without a hole", () => {
    expect(names.map((name) => Number.parseInt(name, 10))).toEqual(names.map((_, index) => index + 1));
  });

  test.for(names)(
    "%s has its number in its title, then context, choice, what was rejected, and the cost",
    async (name) => {
      const text = await readFile(join(FOLDER, name), "utf8");
      expect(text).toMatch(new RegExp(`^# ${Number.parseInt(name, 10)}\\. \\S`));
      const headings = [...text.matchAll(/^\*\*(\w+)\.\*\*/gm)].map(([, heading]) => heading);
      expect(headings).toEqual(["Context", "Choice", "Rejected", "Cost"]);
    },
  );
});
