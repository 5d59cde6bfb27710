import pino, { type Logger } from "pino";
import type { LogLevel } from "../settings/readers.ts";
import { LogStream } from "./log-stream.ts";

/**
 * Fields that may hold a secret, one and two levels deep. Facts never carry them by design; this is the net below.
 * The query of a signed URL is cut by who logs a target. pino's own `redact` costs a small hit a twentieth of its time.
 */
const SECRETS: ReadonlySet<string> = new Set([
  "authorization",
  "proxy-authorization",
  "cookie",
  "set-cookie",
  "privateKey",
  "password",
]);

type Facts = Record<string, unknown>;

/**
 * JSON lines on stderr. stdout stays for what a command has to say (addresses, the output of a command that is run), so
 * that
 * `larder serve | head -1` reads the address and a reader that leaves does not break the log.
 */
export function createLog(level: LogLevel): Logger {
  const stream = new LogStream(2);
  process.once("exit", () => stream.flush());
  return pino({ level, base: { pid: process.pid }, formatters: { log: withoutSecrets } }, stream);
}

/** The facts with what may be a secret blotted out; themselves when there is nothing to blot out. */
export function withoutSecrets(facts: Facts, depth = 1): Facts {
  let told = facts;
  for (const name in facts) {
    const value = facts[name];
    const shown = SECRETS.has(name) ? "[Redacted]" : depth === 1 && isNested(value) ? withoutSecrets(value, 2) : value;
    if (shown === value) continue;
    if (told === facts) told = { ...facts };
    told[name] = shown;
  }
  return told;
}

function isNested(value: unknown): value is Facts {
  return typeof value === "object" && value !== null && !(value instanceof Error);
}
