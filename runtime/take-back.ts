import { appendFileSync } from "node:fs";
import { takeBack } from "./lent-folder.ts";

/**
 * The program that the shim runs before the engine's own runtime deletes a container that has changed what larder lent
 * to it.
 *
 * Arguments: the folder of the loan, the file for faults. Exit 1 when the image did not get back what is its own: the
 * build must not go on with it.
 */
const [place = "", faultsFile = ""] = process.argv.slice(2);
try {
  takeBack(place);
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  appendFileSync(faultsFile, `${reason.replaceAll("\n", " ")}\n`);
  process.exitCode = 1;
}
