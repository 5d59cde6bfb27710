import { digestOf } from "../core/digest.ts";
import { PUBLIC_REALM, type Realm } from "../core/entry.ts";
import type { FieldRecord } from "../core/fields.ts";
import type { TargetUri } from "../core/target.ts";
import { signingParameters } from "./signed-query.ts";

/**
 * Fields that say who asks. Cookie is not among them: requests-based clients echo whatever a content network set on the
 * answer before, so each build would be a realm of its own; what was asked for with a cookie is stored more strictly instead
 * (policy/storing.ts).
 */
const CREDENTIAL_FIELDS = [
  "authorization",
  // GitLab's package registries
  "private-token",
  "job-token",
  "deploy-token",
  // Artifactory, Nexus and NuGet feeds, generic API gateways
  "x-jfrog-art-api",
  "x-nuget-apikey",
  "x-api-key",
  "x-auth-token",
] as const;

/**
 * Whose answer a request gets: `public`, or a hash of the origin and of the credentials sent to it, in fields or in a signed query.
 * Client certificates are none of it: larder has none to show, and hosts that ask for them are tunnelled.
 */
export function realmOf(target: TargetUri, record: FieldRecord): Realm {
  let credentials = "";
  for (const name of CREDENTIAL_FIELDS) {
    const value = record[name];
    if (typeof value === "string") credentials += `${name}: ${value}\n`;
  }
  for (const parameter of signingParameters(target.path)) credentials += `?${parameter}\n`;
  return credentials === "" ? PUBLIC_REALM : digestOf(`${target.scheme}://${target.authority}\n${credentials}`);
}
