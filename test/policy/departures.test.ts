import { readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { DEPARTURES } from "../../policy/departures.ts";

/** The rooms that carry a departure out: the decision stands in policy, some of the doing in proxy. */
const ROOMS = ["policy", "proxy"].map((room) => new URL(`../../${room}/`, import.meta.url));

async function sourcesOf(room: URL): Promise<string[]> {
  const files = await readdir(room, { recursive: true });
  const names = files.filter((name) => name.endsWith(".ts") && name !== "departures.ts");
  return await Promise.all(names.map((name) => readFile(new URL(name, room), "utf8")));
}

describe("the table of departures from RFC 9111", () => {
  test("is named by the code that departs, row by row and no row too many", async () => {
    const sources = (await Promise.all(ROOMS.map(sourcesOf))).flat();
    const named = sources.flatMap((text) => [...text.matchAll(/[Dd]eparture "([a-z-]+)"/g)].map((match) => match[1]));
    expect([...new Set(named)].sort()).toEqual(Object.keys(DEPARTURES).sort());
  });

  test("is the table in docs/http.md", async () => {
    const text = await readFile(new URL("../../docs/http.md", import.meta.url), "utf8");
    const rows = Object.values(DEPARTURES).map(({ what, section, reason }) => `| ${what} | ${section} | ${reason} |`);
    expect(text).toContain(`|---|---|---|\n${rows.join("\n")}\n\n`);
  });

  test.each(Object.entries(DEPARTURES))("says of %s what, from where and why", (_, departure) => {
    expect(departure.section).toMatch(/^RFC 9111 §\d/);
    expect(departure.what.length).toBeGreaterThan(20);
    expect(departure.reason.length).toBeGreaterThan(20);
  });
});
