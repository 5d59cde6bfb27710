import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { SETTING_KEYS } from "../../cli/settings/settings.ts";
import { get } from "../support/client.ts";
import { test } from "../support/fixtures.ts";
import { ROOT } from "./documents.ts";

const document = await readFile(join(ROOT, "docs/scripts.md"), "utf8");
/** The words behind `larder` of each row, and every name that stands in the cell of its fields. */
const rows = [...document.matchAll(/^\| `larder ([^`]+ --json)` \| [^|]+ \|([^|]*)\|$/gm)].map(
  ([, words = "", cell = ""]) => ({ words, names: [...cell.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name) }),
);
/** These look beyond the test's own folder: at the machine's networks, and into its images. */
const ELSEWHERE = /^(resolve|image) /;

test("docs/scripts.md has every field that commands print with --json, of one document each", async ({
  larder,
  origin,
}) => {
  origin.serve("/kept", (_request, response) => {
    response.writeHead(200, { "cache-control": "max-age=600" }).end("kept");
  });
  await get(larder, `${origin.url}/kept`);
  await expect.poll(() => larder.stored("kept")).toHaveLength(1);

  const printed = await Promise.all(
    rows
      .filter(({ words }) => !ELSEWHERE.test(words))
      .map(async ({ words, names }) => {
        const { stdout } = await larder.command(...words.replaceAll("'", "").split(" "));
        return { words, names, fields: fieldsOf(JSON.parse(stdout.toString())) };
      }),
  );
  expect(printed.length).toBeGreaterThan(12);
  for (const { words, names, fields } of printed) {
    const known: readonly string[] = words.startsWith("config ") ? [...names, ...SETTING_KEYS] : names;
    expect(
      fields.filter((field) => !known.includes(field)),
      words,
    ).toEqual([]);
  }
});

/** Of the document, or of the first that it lists. */
function fieldsOf(printed: unknown): readonly string[] {
  const one: unknown = Array.isArray(printed) ? printed[0] : printed;
  return typeof one === "object" && one !== null ? Object.keys(one) : [];
}
