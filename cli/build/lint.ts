import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { EngineCall } from "../../clients/engine-call.ts";
import { caMarks, findTraces, type Trace } from "../../image/traces.ts";
import type { Surroundings } from "../line/invocation.ts";
import { readImage } from "./image-source.ts";

/**
 * Looks for traces in the image that a build has just made.
 * @param iidFile where the engine has written its id
 * @returns `undefined` when there is no image to look at: one that went into a folder or archive by `--output`
 * @throws LarderError `IMAGE_UNREADABLE`
 */
export async function lintBuilt(
  { program, globals }: EngineCall,
  { iidFile, caFile }: { readonly iidFile: string; readonly caFile: string },
  surroundings: Surroundings,
): Promise<readonly Trace[] | undefined> {
  const file = resolve(surroundings.workingDir, iidFile);
  const id = existsSync(file)
    ? readFileSync(file, "utf8")
        .trim()
        .replace(/^sha256:/, "")
    : "";
  if (id === "") return undefined;
  const marks = caMarks(readFileSync(caFile, "utf8"));
  return findTraces(await readImage(id, { marks, hashes: false }, surroundings, { program, options: globals }));
}
