import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { DEPARTURES } from "../../policy/departures.ts";

const POLICY = new URL("../../policy/", import.meta.url);

describe("the table of departures from RFC 9111", () => {
  it("is named by the code that departs, row by row and no row too many", async () => {
    const files = (await readdir(POLICY)).filter((name) => name.endsWith(".ts") && name !== "departures.ts");
    const sources = await Promise.all(files.map((name) => readFile(new URL(name, POLICY), "utf8")));
    const named = sources.flatMap((text) => [...text.matchAll(/[Dd]eparture "([a-z-]+)"/g)].map((match) => match[1]));
    expect([...new Set(named)].sort()).toEqual(Object.keys(DEPARTURES).sort());
  });

  it.each(Object.entries(DEPARTURES))("says of %s what, from where and why", (_, departure) => {
    expect(departure.section).toMatch(/^RFC 9111 §\d/);
    expect(departure.what.length).toBeGreaterThan(20);
    expect(departure.reason.length).toBeGreaterThan(20);
  });
});
