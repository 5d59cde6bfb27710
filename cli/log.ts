import pino, { type Logger } from "pino";
import type { LogLevel } from "./setting-kinds.ts";

/**
 * Fields that may hold a secret, one and two levels deep. Facts never carry them by design; this is the net below.
 * The query of a signed URL is cut by who logs a target.
 */
const SECRETS = ["authorization", "proxy-authorization", "cookie", "set-cookie", "privateKey", "password"];

/**
 * JSON lines on stderr. stdout stays for what a command has to say (addresses, the output of a command that is run), so that
 * `larder serve | head -1` reads the address and a reader that leaves does not break the log. Written at once: the last
 * lines before a crash are the ones that matter.
 */
export function createLog(level: LogLevel): Logger {
  return pino(
    { level, base: { pid: process.pid }, redact: SECRETS.flatMap((name) => [`["${name}"]`, `*["${name}"]`]) },
    pino.destination({ fd: 2, sync: true }),
  );
}
