/** The kinds of value; cli/setting-kinds.ts reads them. */
export type Kind =
  | "path"
  | "listen"
  | "cidr"
  | "hostPattern"
  | "hostName"
  | "sizeOrAuto"
  | "size"
  | "timeout"
  | "duration"
  | "count"
  | "demand"
  | "nixKey"
  | "url"
  | "age"
  | "packageName"
  | "image"
  | "rangePolicy"
  | "fieldName"
  | "logLevel";

/** What `--help` shows in place of a value. */
export const PLACEHOLDERS: Readonly<Record<Kind, string>> = {
  path: "path",
  listen: "host:port",
  cidr: "cidr",
  hostPattern: "host",
  hostName: "name",
  sizeOrAuto: "size",
  size: "size",
  timeout: "time",
  duration: "time",
  count: "count",
  demand: "demand",
  nixKey: "key",
  url: "url",
  age: "age",
  packageName: "name",
  image: "image",
  rangePolicy: "policy",
  fieldName: "name",
  logLevel: "level",
};

export interface SettingRow {
  readonly kind: Kind;
  /** A list: the flag may be given again, the variable holds commas, the file an array. */
  readonly isList: boolean;
  /** As a user would write it; `undefined` where nothing is set unless the user sets it. */
  readonly fallback: string | readonly string[] | undefined;
  readonly help: string;
  /** Why the fallback is what it is. */
  readonly reason: string;
  /** A variable that other programs set for the same thing; the `LARDER_` one goes over it. */
  readonly sharedVariable?: string;
}

/**
 * Everything about larder that its user may set. The key is the name in `larder.toml`; the flag is `--` and the key in
 * kebab-case, the variable `LARDER_` and the key in upper snake case. Flags go over environment over file over fallback.
 */
export const SETTINGS = {
  config: {
    kind: "path",
    isList: false,
    fallback: "$XDG_CONFIG_HOME/larder/larder.toml",
    help: "configuration file",
    reason: "one file per user; not needed at all",
  },
  root: {
    kind: "path",
    isList: false,
    fallback: "$XDG_CACHE_HOME/larder",
    help: "directory of the store; give a project its own with ./cache",
    reason: "one store shared by everything that a user builds keeps the most from crossing the network",
  },
  state: {
    kind: "path",
    isList: false,
    fallback: "$XDG_STATE_HOME/larder",
    help: "directory of the ledger",
    reason: "what builds took is worth keeping when the cache is thrown away",
  },
  listen: {
    kind: "listen",
    isList: true,
    fallback: ["127.0.0.1:3142", "[::1]:3142"],
    help: "address and port to listen on; port 0 picks a free one",
    reason: "loopback only: others come in when they are invited; 3142 is where autodetection for apt looks",
  },
  allow: {
    kind: "cidr",
    isList: true,
    fallback: [],
    help: "network whose clients may come in, beside loopback",
    reason: "deny by default",
  },
  users: {
    kind: "path",
    isList: false,
    fallback: "$XDG_CONFIG_HOME/larder/users",
    help: "file of users who may come in from anywhere by name and password (larder user add)",
    reason: "made by larder user add; without it nobody comes in by a password",
  },
  trustedProxy: {
    kind: "cidr",
    isList: true,
    fallback: [],
    help: "network of proxies before larder whose Forwarded field tells the client's address, for the log",
    reason: "anybody can write that field",
  },
  allowDestination: {
    kind: "cidr",
    isList: true,
    fallback: [],
    help: "network that may be connected to although the rules would refuse it",
    reason: "loopback and metadata addresses are closed, so that a client cannot reach what only this machine may",
  },
  serverName: {
    kind: "hostName",
    isList: true,
    fallback: [],
    help: "name, beside addresses and localhost, under which larder's own pages answer",
    reason: "a page that answers to any name can be reached by DNS rebinding",
  },
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
  delegate: {
    kind: "hostPattern",
    isList: true,
    fallback: [],
    help: "host (or *.suffix) whose https mirror lists, metalinks and package indexes are believed about mirrors and file hosts other than itself",
    reason:
      "beside the built-in list of distributions' mirror services and of PyPI; whoever stands here decides which bytes are right",
  },
  verifySignatures: {
    kind: "demand",
    isList: false,
    fallback: "off",
    help: "signatures of InRelease, Release and repomd.xml, checked by gpgv: off (nobody looks), warn (tell in the log) or require (refuse what is not signed by a key of --keyrings)",
    reason:
      "off: larder knows nobody's keys, and apt and dnf check the signatures themselves; what it serves is what the repository published",
  },
  keyrings: {
    kind: "path",
    isList: true,
    fallback: [],
    help: "folder of public keys (*.gpg, *.asc) for --verify-signatures",
    reason: "whose signature counts is the user's word; a key here vouches for every repository",
  },
  minReleaseAge: {
    kind: "age",
    isList: false,
    fallback: "0",
    help: "age, such as 7d, that a release must have, where its index tells when it was published (PyPI in JSON, npm); younger ones are refused; 0: any",
    reason:
      "0: a proxy refuses nothing that it was not told to; most releases of stolen accounts are found within a week",
  },
  minReleaseAgeAllow: {
    kind: "packageName",
    isList: true,
    fallback: [],
    help: "package that may be of any age; * stands for a part of its name, as in @scope/*",
    reason: "your own releases, and the fix that cannot wait",
  },
  nixPublicKeys: {
    kind: "nixKey",
    isList: true,
    fallback: [],
    help: "key (name:base64, as in Nix's trusted-public-keys) that may sign narinfos; with any, a narinfo that none of them signed is refused",
    reason: "Nix checks signatures itself; a key here keeps what it would refuse out of the store",
  },
  nixUpstream: {
    kind: "url",
    isList: true,
    fallback: ["https://cache.nixos.org/"],
    help: "binary cache of Nix that http://HOST:3142/nix/ stands for; the first given is asked first",
    reason: "the public cache; what it has is signed, so that its clients need no word of larder's",
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
  maxBytes: {
    kind: "sizeOrAuto",
    isList: false,
    fallback: "auto",
    help: "limit of the store, such as 50GiB or 500M; auto: the smaller of 50 GiB and half of the disk's free space",
    reason: "a cache must never be what fills the disk",
  },
  minFreeSpace: {
    kind: "sizeOrAuto",
    isList: false,
    fallback: "auto",
    help: "what the store leaves free on its disk, whoever fills it, such as 2GiB; auto: the smaller of 1 GiB and a twentieth of the disk",
    reason: "other programs write to that disk, too, and most fail worse than a cache when it is full",
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
  tunnelUntrusting: {
    kind: "duration",
    isList: false,
    fallback: "10m",
    help: "how long a client that rejected the CA twice for a host gets that host's tunnels unopened; 0: never",
    reason: "a tool without the CA works at its next try, and the log tells the cure; what is not opened is not kept",
  },
  rootFreshFor: {
    kind: "duration",
    isList: false,
    fallback: "5m",
    help: "upper bound of the freshness of metadata that names everything else; 0 asks the origin each time",
    reason: "a build of many steps sees one state; a fix published now is seen within minutes",
  },
  targetedField: {
    kind: "fieldName",
    isList: true,
    fallback: [],
    help: "response field that stands in for Cache-Control and Expires where an origin sends it, such as CDN-Cache-Control; the first given goes first",
    reason: "such a field is meant for a site's own content network, and larder is nobody's until its user says so",
  },
  verifyRanges: {
    kind: "rangePolicy",
    isList: false,
    fallback: "wait",
    help: "parts of declared files that are not stored yet: wait (for the verified whole, up to --range-wait; longer ones pass unverified), pass (unverified, straight from the origin) or refuse (nothing unverified: beyond --range-wait the answer is the whole file)",
    reason:
      "wait: metadata readers and resuming clients get verified bytes; who wants a little of an image of gigabytes cannot wait for all of it",
  },
  rangeWait: {
    kind: "size",
    isList: false,
    fallback: "16MiB",
    help: "length up to which a part of a declared file waits until the whole is verified",
    reason: "a second or two of download on most lines, well below any client's patience",
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
  baseImage: {
    kind: "image",
    isList: false,
    fallback: undefined,
    help: "image that builds and helpers start from, as BASE_IMAGE (the variable BASE_IMAGE sets it, too)",
    reason: "unset, a Containerfile's own ARG BASE_IMAGE holds",
    sharedVariable: "BASE_IMAGE",
  },
  logLevel: {
    kind: "logLevel",
    isList: false,
    fallback: "info",
    help: "debug, info, warn, error or silent",
    reason: "info is one line per exchange",
  },
} as const satisfies Readonly<Record<string, SettingRow>>;

export type SettingKey = keyof typeof SETTINGS;

export const SETTING_KEYS = Object.keys(SETTINGS) as readonly SettingKey[];

/** What says where the store is: every command takes these. */
export const PLACE_KEYS = ["config", "root", "state"] as const satisfies readonly SettingKey[];

export const VARIABLE_PREFIX = "LARDER_";

/** `--max-bytes` of `maxBytes`. */
export function flagOf(key: string): string {
  return `--${words(key).join("-")}`;
}

/** `LARDER_MAX_BYTES` of `maxBytes`. */
export function variableOf(key: string): string {
  return `${VARIABLE_PREFIX}${words(key).join("_").toUpperCase()}`;
}

function words(key: string): string[] {
  return key.replace(/[A-Z]/g, (capital) => ` ${capital.toLowerCase()}`).split(" ");
}
