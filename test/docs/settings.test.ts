import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { SettingRow } from "../../cli/settings/row.ts";
import { SETTING_KEYS, SETTINGS } from "../../cli/settings/settings.ts";
import { ROOT } from "./documents.ts";

const document = await readFile(join(ROOT, "docs/settings.md"), "utf8");

test("docs/settings.md has each setting once, in order, with its default, its help and its reason", () => {
  const rows = document.split("\n").filter((line) => /^\| `\w+` \|/.test(line));
  expect(rows).toEqual(SETTING_KEYS.map((key) => rowOf(key, SETTINGS[key])));
});

function rowOf(key: string, { fallback, isList, help, reason }: SettingRow): string {
  const fallbacks = [fallback ?? []].flat().map((text) => `\`${text}\``);
  const what = `${isList ? "List: " : ""}${help}`;
  return `| \`${key}\` | ${[fallbacks.join(", "), ...[what, reason].map(asCell)].join(" | ")} |`;
}

/** What Markdown would take for a cell's end or a tag. */
function asCell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "\\<");
}
