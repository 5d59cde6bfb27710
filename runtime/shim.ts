import { shellQuote } from "../core/shell.ts";

export interface ShimOptions {
  /** The runtime that the engine would have started by itself. */
  readonly runtimeFile: string;
  readonly nodeFile: string;
  /** The file of `runtime/edit-bundle.ts`, compiled. */
  readonly programFile: string;
  readonly planFile: string;
}

/**
 * The text of the OCI runtime that an engine is given for one build. It hands every call on to the real one; before a
 * container is created it has its configuration edited. Whatever comes of that: the real runtime has the last word.
 */
export function renderShim({ runtimeFile, nodeFile, programFile, planFile }: ShimOptions): string {
  const edit = [nodeFile, programFile, planFile].map(shellQuote).join(" ");
  return `#!/bin/sh
# Written by larder for one build. It stands before the runtime that is named in the last line.
for word; do
  case $word in
    create | run)
      env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin ${edit} "$@" </dev/null >/dev/null 2>&1
      break
      ;;
  esac
done
exec ${shellQuote(runtimeFile)} "$@"
`;
}
