import type { TargetUri } from "../../core/target.ts";
import { exactnessOf, UNNAMED } from "./host-patterns.ts";

/** How larder speaks TLS to some origins: `[origin."HOST"]` of the configuration. */
export interface OriginAccess {
  /** A host pattern (policy/access/host-patterns.ts). */
  readonly host: string;
  /** What larder shows to those origins; `undefined` when only their roots are special. */
  readonly clientCertificate: ClientCertificate | undefined;
  /** PEM of the roots that those origins chain to, in place of all others. */
  readonly roots: string | undefined;
}

export interface ClientCertificate {
  /** PEM of the certificate, with what is above it where there is any. */
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Names it: whose answers an origin gives depends on it. */
  readonly fingerprint256: string;
}

/** The access of an https origin by the most exact pattern; `undefined` when none names the host. */
export function accessOf(host: string, accesses: readonly OriginAccess[]): OriginAccess | undefined {
  const rated = accesses.map((access) => ({ access, exactness: exactnessOf(access.host, host) }));
  const named = rated.filter(({ exactness }) => exactness !== UNNAMED);
  return named.sort((a, b) => b.exactness - a.exactness)[0]?.access;
}

/**
 * The fingerprint of the certificate that larder shows when it asks for that target; `undefined` when it shows none.
 */
export function certificateShownTo({ scheme, host }: TargetUri, accesses: readonly OriginAccess[]): string | undefined {
  return scheme === "https" ? accessOf(host, accesses)?.clientCertificate?.fingerprint256 : undefined;
}
