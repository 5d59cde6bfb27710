import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { renderNixosModule } from "../../clients/units/nixos.ts";
import { type Program, renderResolveService, renderService, renderSocket } from "../../clients/units/systemd.ts";
import { LarderError } from "../../core/errors.ts";
import { writeFiles } from "../env/written-file.ts";
import type { Invocation } from "../line/invocation.ts";
import { print } from "../line/output.ts";
import { EXIT } from "../line/usage.ts";

const UNITS: Readonly<Record<string, (program: Program) => string>> = {
  "larder.service": renderService,
  "larder.socket": renderSocket,
  "larder-resolve.service": renderResolveService,
  "larder-client.nix": renderNixosModule,
};

/** `larder units print`: files for a service manager, for this very installation. */
export async function printUnits({ operands, flags, workingDir }: Invocation): Promise<number> {
  const [name] = operands;
  const chosen = name === undefined ? Object.entries(UNITS) : Object.entries(UNITS).filter(([unit]) => unit === name);
  if (chosen.length === 0)
    throw new LarderError("USAGE", `${name} is no unit; there are ${Object.keys(UNITS).join(", ")}`);
  const program = { argv: [process.execPath, realpathSync(process.argv[1] ?? "")] };
  if (typeof flags["out"] === "string") {
    const texts = Object.fromEntries(chosen.map(([unit, render]) => [unit, render(program)]));
    writeFiles(resolve(workingDir, flags["out"]), texts);
    return EXIT.ok;
  }
  for (const [unit, render] of chosen) print(`${chosen.length > 1 ? `# ${unit}\n` : ""}${render(program).trimEnd()}`);
  return EXIT.ok;
}
