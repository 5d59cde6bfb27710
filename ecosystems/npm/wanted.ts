import type { FieldRecord } from "../../core/fields.ts";
import { orderDigests } from "../declarations.ts";
import { parseIntegrity } from "../integrity.ts";
import type { DeclaredDigest } from "../metadata.ts";

/**
 * What npm itself wants a tarball to be: `npm ci` asks no registry what it has, and tells the integrity of its lock
 * with each request (pacote's remote.js).
 */
export function wantedDigest(request: FieldRecord): DeclaredDigest | undefined {
  const wanted = request["pacote-integrity"];
  return typeof wanted === "string" ? orderDigests(parseIntegrity(wanted))[0] : undefined;
}
