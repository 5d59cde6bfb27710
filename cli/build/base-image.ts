import { readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { BASE_IMAGE, describeBaseImageDifference, readBaseImageArgument } from "../../clients/base-image.ts";
import { type EngineCall, optionOf } from "../../clients/engine-call.ts";

export interface BaseImageGiven {
  /** `NAME=value` for `--build-arg`; none when the Containerfile would not take it. */
  readonly buildArguments: readonly string[];
  /** What the user should know. */
  readonly note: string | undefined;
}

/** What the image that was given once means for this build. A build argument of the call's own is the user's word. */
export function giveBaseImage(call: EngineCall, baseImage: string | undefined, workingDir: string): BaseImageGiven {
  const text = baseImage === undefined ? undefined : readContainerfile(call, workingDir);
  const argument = text === undefined ? undefined : readBaseImageArgument(text);
  const isTaken = argument !== undefined && !call.rest.some((word) => word.includes(`${BASE_IMAGE}=`));
  if (baseImage === undefined || !isTaken) return { buildArguments: [], note: undefined };
  return { buildArguments: [`${BASE_IMAGE}=${baseImage}`], note: describeBaseImageDifference(baseImage, argument) };
}

/** `--file`, in the folder of the context unless it is absolute; the context is the last word. */
function readContainerfile(call: EngineCall, workingDir: string): string | undefined {
  const last = resolve(workingDir, call.rest.at(-1) ?? ".");
  const context = statSync(last, { throwIfNoEntry: false })?.isDirectory() === true ? last : workingDir;
  const named = optionOf(call, "--file", "-f");
  const candidates =
    named === undefined
      ? [join(context, "Containerfile"), join(context, "Dockerfile")]
      : [resolve(workingDir, named), resolve(context, named)];
  const found = candidates.find((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true);
  return found === undefined ? undefined : readFileSync(found, "utf8");
}
