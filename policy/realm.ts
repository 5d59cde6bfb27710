import { digestOf } from "../core/digest.ts";
import { PUBLIC_REALM, type Realm } from "../core/entry.ts";
import type { FieldRecord } from "../core/fields.ts";
import type { TargetUri } from "../core/target.ts";
import { signingParameters } from "./signed-query.ts";

/**
 * Fields that say who asks. Cookie is not among them: requests-based clients echo whatever a content network set on the
 * answer before, so each build would be a realm of its own; what was asked for with a cookie is stored more strictly
 * instead (policy/storing.ts).
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
 * Whose answer a request gets: `public`, or a hash of the origin and of the credentials sent to it, in fields or in a
 * signed query.
 * @param certificate fingerprint of the certificate that larder itself shows to that origin, on behalf of everyone
 */
export function realmOf(target: TargetUri, record: FieldRecord, certificate?: string): Realm {
  let credentials = "";
  for (const name of CREDENTIAL_FIELDS) {
    const value = record[name];
    if (typeof value === "string") credentials += `${name}: ${value}\n`;
  }
  for (const parameter of signingParameters(target.path)) credentials += `?${parameter}\n`;
  return realmBy(target, certificate, credentials);
}

/** Whose answer a request without credentials of its own gets: a signature in the query is such a credential, too. */
export function sharedRealmOf(target: TargetUri, certificate: string | undefined): Realm {
  return realmBy(target, certificate, "");
}

function realmBy({ scheme, authority }: TargetUri, certificate: string | undefined, own: string): Realm {
  const credentials = certificate === undefined ? own : `client-certificate: ${certificate}\n${own}`;
  return credentials === "" ? PUBLIC_REALM : digestOf(`${scheme}://${authority}\n${credentials}`);
}
