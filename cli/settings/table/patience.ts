import type { SettingRow } from "../row.ts";

/** How long larder waits, and how much it does at once. */
export const PATIENCE = {
  requestTimeout: {
    kind: "timeout",
    isList: false,
    fallback: "60s",
    help: "how long a client may take to send the head of a request",
    reason: "heads are short: who needs a minute for one is broken, or means to keep larder busy",
  },
  keepAliveTimeout: {
    kind: "timeout",
    isList: false,
    fallback: "75s",
    help: "how long a client's connection is kept for its next request",
    reason: "longer than other proxies and browsers keep theirs, so that the clients, not larder, close them",
  },
  clientStallTimeout: {
    kind: "timeout",
    isList: false,
    fallback: "15m",
    help: "how long a client may take nothing of the answer that is there for it; then it is cut",
    reason: "a client that was stopped for a while goes on; one that is gone for good holds a connection no longer",
  },
  connectionsPerClient: {
    kind: "count",
    isList: false,
    fallback: "20000",
    help: "connections that one client address may have open at once",
    reason: "more than any host of builders opens; one address cannot take every file descriptor there is",
  },
  connectTimeout: {
    kind: "timeout",
    isList: false,
    fallback: "5s",
    help: "how long connecting to an origin may take",
    reason: "five seconds cover two lost SYNs; another mirror is the better bet after that",
  },
  headersTimeout: {
    kind: "timeout",
    isList: false,
    fallback: "30s",
    help: "how long an origin may take to begin its answer",
    reason: "registries that build an answer on demand were seen to take twenty seconds",
  },
  bodyTimeout: {
    kind: "timeout",
    isList: false,
    fallback: "60s",
    help: "how long an origin may pause in the middle of a body",
    reason: "a stalled transfer is resumed elsewhere instead of hanging a build",
  },
  tunnelIdleTimeout: {
    kind: "timeout",
    isList: false,
    fallback: "5m",
    help: "how long a tunnel may stay silent",
    reason: "longer than the pauses of a registry push, short enough to shed the forgotten",
  },
  drainTimeout: {
    kind: "duration",
    isList: false,
    fallback: "10s",
    help: "how long running downloads may take to finish when larder is told to stop; then they are cut",
    reason:
      "a service manager's patience is longer; a download that needs more is resumed by its client, and by larder",
  },
  fillsPerOrigin: {
    kind: "count",
    isList: false,
    fallback: "16",
    help: "fetches from one origin at the same time",
    reason: "polite to mirrors, enough to fill a line",
  },
} as const satisfies Readonly<Record<string, SettingRow>>;
