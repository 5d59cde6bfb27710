import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { EngineCall } from "../../clients/engine-call.ts";
import { caMarks, findTraces, type Trace } from "../../image/traces.ts";
import type { Surroundings } from "../line/invocation.ts";
import { readImage } from "./image-source.ts";

/** The id that the engine has written; `undefined` when it has made no image, or one that went elsewhere. */
export function readImageId(iidFile: string, { workingDir }: Surroundings): string | undefined {
  const file = resolve(workingDir, iidFile);
  const text = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  return text === "" ? undefined : text.replace(/^sha256:/, "");
}

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
  const id = readImageId(iidFile, surroundings);
  if (id === undefined) return undefined;
  const marks = caMarks(readFileSync(caFile, "utf8"));
  return findTraces(await readImage(id, { marks, hashes: false }, surroundings, { program, options: globals }));
}
