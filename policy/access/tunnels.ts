import { exactnessOf, UNNAMED } from "./host-patterns.ts";

/** Hosts whose tunnels are never opened unless `intercept` names them more exactly. */
export const DEFAULT_TUNNELS: readonly string[] = [
  // Container registries: the base image is pulled through the same proxy variables by an engine that does not trust
  // our CA, its layers are content-addressed and cached by the engine itself, and the pull carries tokens.
  "registry-1.docker.io",
  "index.docker.io",
  "auth.docker.io",
  "production.cloudflare.docker.com",
  "production.cloudfront.docker.com",
  "docker-images-prod.*.r2.cloudflarestorage.com",
  "quay.io",
  "*.quay.io",
  "ghcr.io",
  "pkg-containers.githubusercontent.com",
  "gcr.io",
  "*.gcr.io",
  // Artifact Registry serves Python, npm and apt repositories as well, under other names of pkg.dev.
  "*-docker.pkg.dev",
  "registry.k8s.io",
  "prod-registry-k8s-io-*.s3.dualstack.*.amazonaws.com",
  "mcr.microsoft.com",
  "*.data.mcr.microsoft.com",
  "*.azurecr.io",
  "public.ecr.aws",
  "*.dkr.ecr.*.amazonaws.com",
  "registry.access.redhat.com",
  "registry.redhat.io",
  "registry.fedoraproject.org",
  "registry.suse.com",
  "registry.opensuse.org",
  "registry.gitlab.com",
  // RHEL's entitlement services ask for the client certificate of the subscription, which only the client has.
  "cdn.redhat.com",
  "subscription.rhsm.redhat.com",
  "cert-api.access.redhat.com",
];

/**
 * Host patterns: `host`, `*.suffix` (one label or more before it), `*` for all; elsewhere a `*` stands within one
 * label.
 */
export interface TunnelPatterns {
  readonly intercept: readonly string[];
  readonly tunnel: readonly string[];
}

/**
 * Whether a tunnel to that host may be opened: the more exact pattern wins, tunnel on a tie; what no pattern names is
 * intercepted.
 * @param host a lower-case name or an IP literal without brackets.
 */
export function mayIntercept(host: string, { intercept, tunnel }: TunnelPatterns): boolean {
  const exactest = (patterns: readonly string[]): number =>
    patterns.reduce((best, pattern) => Math.max(best, exactnessOf(pattern, host)), UNNAMED);
  const tunnelled = exactest(tunnel);
  return tunnelled === UNNAMED || exactest(intercept) > tunnelled;
}
