import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { systemCode } from "./errors.ts";

/**
 * Makes a folder and the parents that it lacks, one after the other. Node's own `recursive` never comes back where a
 * file system says ENOENT below a folder that is there, as /proc does: it takes that for a missing parent, again and
 * again.
 * @param mode of each folder that is made, less the umask
 * @returns whether the folder is new
 * @throws Error of the system with its code: `ENOENT` also where the file system takes no folders, `EEXIST` where a
 * file stands there.
 */
export function makeFolder(folder: string, mode = 0o777): boolean {
  try {
    return makeOne(folder, mode);
  } catch (error) {
    if (systemCode(error) !== "ENOENT" || dirname(folder) === folder) throw error;
    makeFolder(dirname(folder), mode);
    return makeOne(folder, mode);
  }
}

function makeOne(folder: string, mode: number): boolean {
  try {
    mkdirSync(folder, mode);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST" && statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true)
      return false;
    throw error;
  }
}
