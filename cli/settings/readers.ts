import { isIP } from "node:net";
import * as v from "valibot";
import { type HostPort, parseHostPort, parseTarget } from "../../core/target.ts";
import { readNixKey } from "../../ecosystems/nix/signature.ts";
import { type Directories, resolvePath } from "./directories.ts";
import type { Kind } from "./row.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

/** What is done about a root without a good signature. */
export const DEMANDS = ["off", "warn", "require"] as const;

export const ON_OFF = ["off", "on"] as const;

/** What becomes of a part of a file whose bytes are not verified yet. */
export const RANGE_POLICIES = ["wait", "pass", "refuse"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** What a value of each kind is once it has been read. Times are milliseconds, sizes bytes, paths absolute. */
export interface KindTypes {
  readonly path: string;
  readonly listen: HostPort;
  readonly cidr: string;
  readonly hostPattern: string;
  readonly hostName: string;
  readonly sizeOrAuto: number | "auto";
  readonly size: number;
  readonly timeout: number;
  readonly duration: number;
  readonly count: number;
  readonly switch: boolean;
  readonly demand: (typeof DEMANDS)[number];
  readonly nixKey: string;
  readonly url: string;
  readonly age: number;
  readonly packageName: string;
  readonly image: string;
  readonly fieldName: string;
  readonly rangePolicy: (typeof RANGE_POLICIES)[number];
  readonly onOff: (typeof ON_OFF)[number];
  readonly logLevel: LogLevel;
}

/** Where a relative path starts: the working directory, or the folder of the file that names it. */
export interface PathContext {
  readonly baseDir: string;
  readonly directories: Directories;
}

interface KindReader<T> {
  readonly schema: (paths: PathContext) => v.GenericSchema<unknown, T>;
  /** Ends the sentence "allowed: …". */
  readonly allowed: string;
}

const text = v.pipe(v.string(), v.trim(), v.nonEmpty());
const wholeNumber = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const digits = v.pipe(text, v.regex(/^[0-9]{1,15}$/), v.transform(Number));

/** A schema of what `read` makes of a text; `undefined` says that the text is none. */
function readBy<T>(read: (written: string) => T | undefined): v.GenericSchema<unknown, T> {
  return v.pipe(
    text,
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const value = read(dataset.value);
      if (value !== undefined) return value;
      addIssue();
      return NEVER;
    }),
  );
}

export const KINDS: { readonly [K in Kind]: KindReader<KindTypes[K]> } = {
  path: {
    schema: ({ baseDir, directories }) =>
      v.pipe(
        text,
        v.regex(/^[^\p{Cc}\uFFFD]+$/u),
        v.transform((path) => resolvePath(path, baseDir, directories)),
      ),
    // Node hands over bytes that are no UTF-8 as U+FFFD, another folder than the one that was meant.
    allowed: "a path in UTF-8, without control characters",
  },
  listen: {
    schema: () => readBy(readListen),
    allowed: "an address and a port, such as 127.0.0.1:3142, [::1]:3142 or 0.0.0.0:0",
  },
  cidr: { schema: () => readBy(readCidr), allowed: "a network such as 10.0.0.0/8 or fd00::/8, or one address" },
  hostPattern: {
    schema: () => readBy(readHostPattern),
    allowed: "a host name or address, *.suffix, or * for all; inside a name * stands for a part of one label",
  },
  hostName: { schema: () => readBy(readHost), allowed: "a host name without a port" },
  sizeOrAuto: {
    schema: () => v.union([v.literal("auto"), wholeNumber, readBy(readSize)]),
    allowed: "auto, or a size such as 50GiB (powers of 1024) or 500M (powers of 1000)",
  },
  size: {
    schema: () => v.union([wholeNumber, readBy(readSize)]),
    allowed: "a size such as 16MiB (powers of 1024) or 500M (powers of 1000)",
  },
  timeout: {
    schema: () => v.pipe(readBy(readDuration), v.minValue(1)),
    allowed: "a time above zero, such as 500ms, 5s, 2m or 1h",
  },
  duration: {
    schema: () => v.union([v.pipe(v.literal(0)), readBy(readDuration)]),
    allowed: "a time such as 500ms, 5s, 2m or 1h, or 0",
  },
  count: { schema: () => v.pipe(v.union([v.number(), digits]), wholeNumber), allowed: "a whole number above zero" },
  switch: {
    schema: () =>
      v.union([
        v.boolean(),
        v.pipe(
          v.picklist(["yes", "no"]),
          v.transform((word) => word === "yes"),
        ),
      ]),
    allowed: "yes or no; in the file true or false, as an option nothing",
  },
  age: {
    schema: () => v.union([v.pipe(v.literal(0)), readBy(parseDurationMs)]),
    allowed: "an age such as 12h or 7d, or 0",
  },
  packageName: {
    schema: () => readBy((written) => (/[\s,]/.test(written) ? undefined : written)),
    allowed: "the name of a package, in which * stands for any part",
  },
  nixKey: {
    schema: () => readBy((written) => (readNixKey(written) === undefined ? undefined : written)),
    allowed:
      "a name and an Ed25519 key in base64, such as cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=",
  },
  url: { schema: () => readBy(readUrl), allowed: "an http or https URL without credentials or query" },
  demand: { schema: () => v.picklist(DEMANDS), allowed: DEMANDS.join(", ") },
  image: {
    schema: () => v.pipe(text, v.regex(/^[^\s\p{Cc}]+$/u)),
    allowed: "a name such as docker.io/library/debian:12, without spaces",
  },
  fieldName: {
    schema: () => v.pipe(text, v.regex(/^[!#$%&'*+.^_`|~0-9a-z-]+$/i), v.toLowerCase()),
    allowed: "the name of a field, such as CDN-Cache-Control",
  },
  rangePolicy: { schema: () => v.picklist(RANGE_POLICIES), allowed: RANGE_POLICIES.join(", ") },
  onOff: { schema: () => v.picklist(ON_OFF), allowed: ON_OFF.join(", ") },
  logLevel: { schema: () => v.picklist(LOG_LEVELS), allowed: LOG_LEVELS.join(", ") },
};

function readUrl(written: string): string | undefined {
  if (!/^https?:\/\/[^\s?#@]+$/i.test(written)) return undefined;
  try {
    return parseTarget(written).uri;
  } catch {
    return undefined;
  }
}

/** An address to listen on; port 0 picks a free one. @returns `undefined` when it is none. */
export function readListen(written: string): HostPort | undefined {
  const match = /^(.+):([0-9]{1,5})$/.exec(written);
  const host = match === null ? undefined : readHost(match[1] as string);
  const port = Number(match?.[2]);
  return host !== undefined && port <= 65535 ? { host, port } : undefined;
}

function readHost(written: string): string | undefined {
  try {
    const { host, port } = parseHostPort(written);
    return port === undefined && !written.endsWith(":") ? host : undefined;
  } catch {
    return undefined;
  }
}

/** As policy/access/tunnels.ts reads them: a pattern is a name in which letters have given way to stars. */
function readHostPattern(written: string): string | undefined {
  if (isIP(written) === 6) return written.toLowerCase();
  return readHost(written.replaceAll("*", "x")) === undefined ? undefined : written.toLowerCase().replace(/\.$/, "");
}

function readCidr(written: string): string | undefined {
  const [address = "", prefix, ...rest] = written.split("/");
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
  if (bits === 0 || rest.length > 0 || address.includes("%")) return undefined;
  if (prefix === undefined) return `${address}/${bits}`;
  return /^[0-9]{1,3}$/.test(prefix) && Number(prefix) <= bits ? written : undefined;
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

function readSize(written: string): number | undefined {
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*([KMGT]i?B|[KMGTB])?$/.exec(written);
  const unit = match?.[2] ?? "";
  const bytes = Math.floor(Number(match?.[1]) * (SIZE_UNITS[unit] ?? SIZE_UNITS[unit.replace("B", "")] ?? Number.NaN));
  return Number.isSafeInteger(bytes) && bytes >= 1 ? bytes : undefined;
}

const TIME_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Node's timers hold 31 bits of milliseconds; a longer one would fire at once. */
const MAX_DURATION_MS = 2 ** 31 - 1;

/** Milliseconds of a time such as 500ms, 5s, 2m or 1h. @returns `undefined` when it is none. */
export function readDuration(written: string): number | undefined {
  const ms = parseDurationMs(written) ?? Number.NaN;
  return ms <= MAX_DURATION_MS ? ms : undefined;
}

/** {@link readDuration} for times that no timer has to wait for. */
export function parseDurationMs(written: string): number | undefined {
  if (written === "0") return 0;
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)$/.exec(written);
  const ms = Math.round(Number(match?.[1]) * (TIME_UNITS[match?.[2] ?? ""] ?? Number.NaN));
  return Number.isSafeInteger(ms) ? ms : undefined;
}
