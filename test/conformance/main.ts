/** `npm run conformance [TEST-ID …]` runs the suite on the built program, both ways in, and prints what came out. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority } from "../support/authority.ts";
import { Larder } from "../support/larder.ts";
import { count, type Kind, type Result } from "./results.ts";
import { runSuite } from "./run.ts";

const KINDS: readonly Kind[] = ["required", "optimal", "check"];

function report(way: string, results: readonly Result[]): string {
  const sums = KINDS.map((kind) => {
    const { passed, of } = count(results, kind);
    return `${kind} ${passed}/${of}`;
  });
  const failures = results
    .filter(({ outcome, kind }) => outcome !== "passed" && kind !== "check")
    .map(({ kind, id, outcome, message }) => `  ${kind.padEnd(9)} ${id}  ${outcome}  ${message}`);
  return [`${way}: ${sums.join(", ")}`, ...failures].join("\n");
}

const only = process.argv.length > 2 ? process.argv.slice(2) : undefined;
const folder = await mkdtemp(join(tmpdir(), "larder-conformance-"));
try {
  const authorityFolder = join(folder, "authority");
  await mkdir(authorityFolder);
  const authority = await createAuthority(authorityFolder);
  const larder = await Larder.start({ folder, originCa: authority.caFile });
  try {
    const trusted = await (await fetch(`${larder.url}/ca.pem`)).text();
    const options = only === undefined ? {} : { tell: (text: string) => void process.stdout.write(`${text}\n`) };
    const tls = { origin: authority.certificate("good"), trusted };
    const [plain, intercepted] = await Promise.all([
      runSuite({ proxy: larder.url, only }, options),
      runSuite({ proxy: larder.url, only, tls }, options),
    ]);
    process.stdout.write(`${report("plain", plain)}\n${report("intercepted", intercepted)}\n`);
  } finally {
    await larder.stop();
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
