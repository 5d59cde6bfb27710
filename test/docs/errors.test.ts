import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { ERROR_CODES, type ErrorSource } from "../../core/errors.ts";

const DOCUMENT = await readFile(resolve(import.meta.dirname, "../../docs/errors.md"), "utf8");

const SECTIONS: Readonly<Record<ErrorSource, string>> = {
  client: "The request (client)",
  origin: "The origin",
  store: "The store",
  config: "Configuration and commands",
  internal: "larder itself",
};

interface Row {
  readonly code: string;
  readonly section: string;
  readonly status: number;
  readonly cause: string;
  readonly cure: string;
}

const rows: readonly Row[] = DOCUMENT.split(/^## /m).flatMap((part) => {
  const section = part.split("\n", 1)[0] ?? "";
  const lines = part.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (.+) \| (.+) \|$/gm);
  return [...lines].map(([, code = "", status, cause = "", cure = ""]) => ({
    code,
    section,
    status: Number(status),
    cause,
    cure,
  }));
});

describe("docs/errors.md", () => {
  test("has each code of core/errors.ts once, in the section of its source and with its status", () => {
    const expected = Object.entries(ERROR_CODES).map(([code, { source, status }]) => {
      return { code, section: SECTIONS[source], status };
    });
    const found = rows.map(({ code, section, status }) => ({ code, section, status }));
    const byCode = (a: { code: string }, b: { code: string }) => a.code.localeCompare(b.code);
    expect(found.sort(byCode)).toEqual(expected.sort(byCode));
  });

  test("says cause and cure in sentences", () => {
    for (const { code, cause, cure } of rows) {
      expect(cause, code).toMatch(/^[`A-Za-z].*\.$/);
      expect(cure, code).toMatch(/^[`A-Za-z].*\.$/);
    }
  });
});
