import { readFileSync } from "node:fs";
import { LarderError } from "../../core/errors.ts";
import { type Difference, findDifferences } from "../../image/differences.ts";
import { caMarks, findTraces, type Trace } from "../../image/traces.ts";
import { readImage } from "../build/image-source.ts";
import type { Invocation } from "../line/invocation.ts";
import { note, print, printJson, tabulate } from "../line/output.ts";
import { EXIT } from "../line/usage.ts";
import { loadConfig } from "../settings/config.ts";

/** `larder image lint IMAGE`: exit 1 when a trace of larder is found, or a difference to the image of `--against`. */
export async function lintImage(invocation: Invocation): Promise<number> {
  const { flags, operands } = invocation;
  const [reference = ""] = operands;
  const marks = readMarks(loadConfig(invocation).settings.caCert);
  const other = typeof flags["against"] === "string" ? flags["against"] : undefined;
  const hashes = other !== undefined;
  const image = await readImage(reference, { marks, hashes }, invocation);
  const against = other === undefined ? undefined : await readImage(other, { marks: [], hashes }, invocation);
  const traces = findTraces(image);
  const differences = against === undefined ? [] : findDifferences(image, against);
  if (flags["json"] === true) printJson({ image: reference, traces, differences });
  else for (const line of describeFindings([...traces, ...differences])) print(line);
  if (traces.length + differences.length > 0) return EXIT.fault;
  note(`${reference}: no trace of larder${other === undefined ? "" : `, the same as ${other}`}`);
  return EXIT.ok;
}

/** One line each, for a person. */
export function describeFindings(findings: readonly (Trace | Difference)[]): string[] {
  return tabulate(findings.map(({ kind, where, what }) => [kind, where, what]));
}

/** Without a CA there is none that an image could hold. */
function readMarks(caFile: string): Buffer[] {
  try {
    return caMarks(readFileSync(caFile, "utf8"));
  } catch (cause) {
    throw new LarderError("CA_UNREADABLE", `${caFile} cannot be read; name larder's CA with --ca-cert`, { cause });
  }
}
