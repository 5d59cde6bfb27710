import type { SettingRow } from "../row.ts";

/** Whose TLS is opened, and with which certificates. */
export const INTERCEPTION = {
  intercept: {
    kind: "hostPattern",
    isList: true,
    fallback: [],
    help: "host (or *.suffix) whose TLS is opened although a tunnel pattern covers it; the more exact pattern wins",
    reason: "what no pattern covers is opened: what is not opened cannot be kept",
  },
  tunnel: {
    kind: "hostPattern",
    isList: true,
    fallback: [],
    help: "host (or *.suffix) whose TLS is passed through unopened, beside the built-in list",
    reason: "the built-in list names the services that are known to break",
  },
  tunnelUntrusting: {
    kind: "duration",
    isList: false,
    fallback: "10m",
    help: "how long a client that rejected the CA twice for a host gets that host's tunnels unopened; 0: never",
    reason: "a tool without the CA works at its next try, and the log tells the cure; what is not opened is not kept",
  },
  caCert: {
    kind: "path",
    isList: false,
    fallback: "$XDG_CONFIG_HOME/larder/ca/ca.pem",
    help: "CA certificate to issue leaves with (with --ca-key: bring your own)",
    reason: "made at the first start; it outlives the cache",
  },
  caKey: {
    kind: "path",
    isList: false,
    fallback: "$XDG_CONFIG_HOME/larder/ca/ca.key",
    help: "private key of the CA",
    reason: "beside its certificate, readable by its owner only",
  },
  originCa: {
    kind: "path",
    isList: true,
    fallback: [],
    help: "PEM file of more roots that origins may chain to",
    reason: "the roots of the system and NODE_EXTRA_CA_CERTS are always there",
  },
} as const satisfies Readonly<Record<string, SettingRow>>;
