import { join } from "node:path";
import { type Authority, loadOrCreateAuthority } from "../../certs/authority.ts";
import { readExtraRoots, readSystemRoots, writeAuthorityCopy, writeTrustBundle } from "../../certs/bundle.ts";
import { certificateBlocks } from "../../certs/pem.ts";
import { trustFilesIn } from "../../clients/audience.ts";
import type { TrustFiles } from "../../clients/environment.ts";
import type { Config } from "../settings/config.ts";
import type { Environment } from "../settings/directories.ts";

export interface Trust {
  readonly authority: Authority;
  /** What clients are given. */
  readonly files: TrustFiles;
  /** PEM of every root that an origin's certificate may chain to. */
  readonly originRoots: string;
}

/**
 * Loads the CA (making it at the first start, unless the user brought one) and writes `<root>/trust/bundle.pem` and
 * `<root>/trust/ca.pem`.
 *
 * Clients get the same roots as larder itself, then its CA: what they reach through a tunnel verifies as it did before,
 * although the bundle replaces what NODE_EXTRA_CA_CERTS or SSL_CERT_FILE named.
 * @throws LarderError `CA_…`
 */
export function prepareTrust({ settings, origins }: Config, env: Environment, nowMs: number): Trust {
  const { caCert: certFile, caKey: keyFile, originCa, root } = settings;
  const authority = loadOrCreateAuthority({ certFile, keyFile, nowMs, create: origins.caCert.from === "default" });
  const extra = env["NODE_EXTRA_CA_CERTS"] ?? "";
  // NODE_EXTRA_CA_CERTS often names the system's own bundle: each root twice costs 20 ms at the start, and a megabyte.
  const everyRoot = readSystemRoots() + readExtraRoots(extra === "" ? originCa : [extra, ...originCa]);
  const originRoots = certificateBlocks(everyRoot).join("");
  const files = trustFilesIn(trustDirOfStore(root));
  writeTrustBundle({ file: files.bundleFile, systemRoots: originRoots, authority });
  writeAuthorityCopy({ file: files.caFile, authority });
  return { authority, files, originRoots };
}

/** The folder that clients are given: HANDOUT_FILES of core/handout.ts says what is in it. */
export function trustDirOfStore(root: string): string {
  return join(root, "trust");
}
