import { join } from "node:path";
import { describe, expect } from "vitest";
import { ROOT, readDocuments } from "../docs/documents.ts";
import { test } from "../support/fixtures.ts";
import type { Result } from "./results.ts";
import { runSuite } from "./run.ts";

/** A row of the table of what does not pass, and why: `| \`id\`, \`id\` | why |`. */
const ROW = /^\| (`[\w=-]+`(?:, `[\w=-]+`)*) \| .+ \|$/gm;

const documents = await readDocuments();
const text = documents.find(({ path }) => join(ROOT, path) === join(ROOT, "docs/http.md"))?.text ?? "";
const documented = [...text.matchAll(ROW)].flatMap(([, ids = ""]) => ids.replaceAll("`", "").split(", ")).sort();

function failed(results: readonly Result[]): readonly string[] {
  return results
    .filter(({ outcome, kind }) => outcome !== "passed" && kind !== "check")
    .map(({ id }) => id)
    .sort();
}

describe("the cache-tests suite", () => {
  test("passes plain and intercepted but for what docs/http.md gives a reason for", async ({
    larder,
    authority,
    caFile: _,
  }) => {
    const trusted = await (await fetch(`${larder.url}/ca.pem`)).text();
    const tls = { origin: authority.certificate("good"), trusted };
    const options = { expectedFailures: documented };
    const [plain, intercepted] = await Promise.all([
      runSuite({ proxy: larder.url }, options),
      runSuite({ proxy: larder.url, tls }, options),
    ]);
    expect(failed(plain)).toEqual(documented);
    expect(failed(intercepted)).toEqual(documented);
  });
});
