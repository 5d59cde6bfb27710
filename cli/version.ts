import { readFileSync } from "node:fs";
import { join } from "node:path";
import { systemCode } from "../core/errors.ts";

/** The package's own version. This file is one folder below package.json, or two when it runs from dist/. */
export function readVersion(): string {
  for (const up of ["..", "../.."]) {
    try {
      const { version } = JSON.parse(readFileSync(join(import.meta.dirname, up, "package.json"), "utf8"));
      return String(version);
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
    }
  }
  return "unknown";
}
