import { join } from "node:path";
import { shellQuote } from "../core/shell.ts";
import { STAMP } from "./lent-folder.ts";

export interface ShimOptions {
  /** The runtime that the engine would have started by itself. */
  readonly runtimeFile: string;
  readonly nodeFile: string;
  /** The folder of `edit-bundle` and `take-back`, compiled. */
  readonly programsDir: string;
  readonly planFile: string;
  /** As {@link RunPlan} has them. */
  readonly lentDir: string;
  readonly faultsFile: string;
}

/**
 * The text of the OCI runtime that an engine is given for one build. It hands every call on to the real one; before a
 * container is created it has its configuration edited, and before one is deleted that has changed what was lent to it,
 * that is taken back. A fault of the first leaves the container as it was, one of the second ends the build.
 */
export function renderShim(options: ShimOptions): string {
  const { runtimeFile, nodeFile, programsDir, planFile, lentDir, faultsFile } = options;
  const program = (name: string) =>
    `env -i PATH=${PATH} ${shellQuote(nodeFile)} ${shellQuote(join(programsDir, name))}`;
  return `#!/bin/sh
# Written by larder for one build. It stands before the runtime that is named in the last line.
for word; do
  case $word in
    create | run)
      ${program("edit-bundle.js")} ${shellQuote(planFile)} "$@" </dev/null >/dev/null 2>&1
      break
      ;;
    delete)
      for id; do :; done
      lent=${shellQuote(lentDir)}/$id
      if [ ! -e "$lent/${STAMP}" ]; then
        break
      elif [ -z "$(find "$lent" -cnewer "$lent/${STAMP}")" ]; then
        rm -rf "$lent"
      elif ! ${program("take-back.js")} "$lent" ${shellQuote(faultsFile)} </dev/null >/dev/null 2>&1; then
        ${shellQuote(runtimeFile)} "$@"
        exit 1
      fi
      break
      ;;
  esac
done
exec ${shellQuote(runtimeFile)} "$@"
`;
}

/** The engine's own may be anything. */
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
