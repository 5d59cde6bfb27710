import { systemClock } from "../../core/clock.ts";
import { parseTarget } from "../../core/target.ts";
import { layoutOf } from "../../storage/layout.ts";
import { findRunning } from "../control/client.ts";
import { type DeclarationSummary, type Explanation, explain } from "../control/explain.ts";
import type { Invocation } from "../line/invocation.ts";
import { formatBytes, print, printJson, tabulate } from "../line/output.ts";
import { EXIT } from "../line/usage.ts";
import { loadConfig } from "../settings/config.ts";
import { loadOriginAccess } from "../settings/origin-access.ts";
import { withDeclarationsOnDisk } from "../store/open-store.ts";

/** `larder why URL`: asks the running larder, which knows its own settings, else looks into the store itself. */
export async function why(invocation: Invocation): Promise<number> {
  const { settings, originFiles } = loadConfig(invocation);
  const { uri } = parseTarget(invocation.operands[0] ?? "");
  const running = await findRunning(settings.root, invocation.env);
  const explanation = await (running?.why(uri) ??
    withDeclarationsOnDisk(settings, (store, declarations) =>
      explain(uri, { store, declarations, clock: systemClock, settings, originAccess: loadOriginAccess(originFiles) }),
    ));
  if (invocation.flags["json"] === true) printJson(explanation);
  else for (const line of describe(explanation, settings.root)) print(line);
  return EXIT.ok;
}

function describe(explanation: Explanation, rootDir: string): string[] {
  const { uri, classification, entries, declaration, because } = explanation;
  const { class: resourceClass, ecosystem } = classification;
  const stored = entries.flatMap(({ variant, status, digest, bytes, storedMs }) => [
    [
      "entry",
      `${status}, ${formatBytes(bytes)}, stored ${new Date(storedMs).toISOString()}${variant && ` (${variant})`}`,
    ],
    ["blob", layoutOf(rootDir).blobFile(digest)],
  ]);
  return tabulate([
    ["uri", uri],
    ["class", ecosystem === undefined ? resourceClass : `${resourceClass} of ${ecosystem}`],
    ...(stored.length > 0 ? stored : [["entry", "none"]]),
    ...(declaration === undefined ? [] : describeDeclaration(declaration)),
    ["now", because],
  ]);
}

function describeDeclaration({ algorithm, digest, bytes, declaredBy, base, root }: DeclarationSummary): string[][] {
  const length = bytes === undefined ? "" : `, ${formatBytes(bytes)}`;
  return [
    ["declared", `${algorithm} ${digest}${length}`],
    ["by", declaredBy],
    ["base", base],
    ["root", `${root.uri} (sha256 ${root.digest}, seen ${new Date(root.seenMs).toISOString()})`],
  ];
}
