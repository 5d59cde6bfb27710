import type net from "node:net";
import type { LarderError } from "../../core/errors.ts";
import { CHALLENGE } from "../request/gate.ts";

const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  407: "Proxy Authentication Required",
  408: "Request Timeout",
  421: "Misdirected Request",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  502: "Bad Gateway",
  504: "Gateway Timeout",
  508: "Loop Detected",
};

/**
 * How long what the client still sends is read away: a close before would reset the answer off its hands (RFC 9112
 * §9.6).
 */
const LINGER_MS = 1_000;

/** Answers on a connection whose requests are read no more, and closes it. */
export function refuseRaw(socket: net.Socket, error: LarderError): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const text = `larder: ${error.code}: ${error.message}\n`;
  const head = [
    `HTTP/1.1 ${error.status} ${REASONS[error.status] ?? "Error"}`,
    "Connection: close",
    "Content-Type: text/plain; charset=utf-8",
    "Cache-Control: no-store",
    ...(error.status === 407 ? [`Proxy-Authenticate: ${CHALLENGE}`] : []),
    `Content-Length: ${Buffer.byteLength(text)}`,
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${text}`);
  socket.resume();
  const patience = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(patience));
}
