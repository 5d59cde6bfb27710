import pino, { type Logger } from "pino";
import type { LogLevel } from "../settings/readers.ts";
import { LogStream } from "./log-stream.ts";

/**
 * Fields that may hold a secret, one and two levels deep. Facts never carry them by design; this is the net below.
 * The query of a signed URL is cut by who logs a target.
 */
const SECRETS = ["authorization", "proxy-authorization", "cookie", "set-cookie", "privateKey", "password"];

/**
 * JSON lines on stderr. stdout stays for what a command has to say (addresses, the output of a command that is run), so that
 * `larder serve | head -1` reads the address and a reader that leaves does not break the log.
 */
export function createLog(level: LogLevel): Logger {
  const stream = new LogStream(2);
  process.once("exit", () => stream.flush());
  return pino(
    { level, base: { pid: process.pid }, redact: SECRETS.flatMap((name) => [`["${name}"]`, `*["${name}"]`]) },
    stream,
  );
}
