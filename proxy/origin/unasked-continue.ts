import type net from "node:net";

const LINE = Buffer.from("HTTP/1.1 100");
const HEAD_END = Buffer.from("\r\n\r\n");
/** A longer one is left to the parser to refuse. */
const MAX_HEAD_BYTES = 16 * 1024;

/**
 * Lets undici read over a 100 that nobody asked for, as a client must (RFC 9110 §15.2); it would end the exchange. An
 * answer begins with the first bytes that are read after a request has been written, since that waits for the end of
 * the one before.
 */
export function readOverContinue(socket: net.Socket): net.Socket {
  const { read, write } = socket;
  let isAtStart = false;
  let begun: Buffer | undefined;

  const readOn = (size?: number): Buffer | null => {
    const chunk = read.call(socket, size) as Buffer | null;
    if (!isAtStart || chunk === null) return chunk;
    const bytes = begun === undefined ? chunk : Buffer.concat([begun, chunk]);
    const rest = behindContinue(bytes);
    begun = rest === "incomplete" ? bytes : undefined;
    isAtStart = rest !== bytes;
    if (!isAtStart) return bytes;
    if (rest !== "incomplete" && rest.length > 0) socket.unshift(rest);
    return readOn(size);
  };
  const writeOn = (...args: Parameters<net.Socket["write"]>): boolean => {
    isAtStart = true;
    return write.apply(socket, args);
  };
  return Object.assign(socket, { read: readOn, write: writeOn });
}

/** What follows a 100 at the beginning of these bytes; the bytes themselves where there is none. */
function behindContinue(bytes: Buffer): Buffer | "incomplete" {
  const length = Math.min(bytes.length, LINE.length);
  if (bytes.compare(LINE, 0, length, 0, length) !== 0) return bytes;
  const end = bytes.indexOf(HEAD_END);
  if (end < 0) return bytes.length > MAX_HEAD_BYTES ? bytes : "incomplete";
  return bytes.subarray(end + HEAD_END.length);
}
