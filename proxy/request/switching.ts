import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import { eachField, fieldValue, listMembers } from "../../core/fields.ts";

/**
 * Whether a request to switch protocols is one to hand on: to one protocol, by GET, without content. `h2c` is none of
 * them, as curl and Java offer it with every request, and larder speaks HTTP/1.1 (docs/adr/0009-http-1-1-both-ways.md).
 */
export function isHandedOn({ method, rawHeaders }: IncomingMessage): boolean {
  const wanted = listMembers(fieldValue(rawHeaders, "upgrade") ?? "");
  const hasContent = ["content-length", "transfer-encoding"].some((name) => fieldValue(rawHeaders, name) !== undefined);
  return method === "GET" && !hasContent && wanted.length === 1 && !/^(?:h2c?|http\/|tls\/)/i.test(wanted[0] ?? "");
}

/** The answer to a request whose connection node:http has let go of; its end is the end of the connection. */
export function answerOn(request: IncomingMessage): ServerResponse {
  const { socket } = request;
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once("finish", () => {
    response.detachSocket(socket);
    socket.destroySoon();
  });
  return response;
}

/** What asks for the switch. */
const SWITCH: ReadonlySet<string> = new Set(["upgrade", "http2-settings"]);

/**
 * Puts the request back in front of its connection without the wish to switch, to be read again as an ordinary one,
 * which is what a server makes of a wish that it does not grant (RFC 9110 §7.8). node:http has let go of the connection
 * by now.
 * @param head what the client sent behind the request's head
 */
export function readAgain(request: IncomingMessage, head: Buffer, server: Server): void {
  const { socket, method, url, httpVersion, rawHeaders } = request;
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  eachField(rawHeaders, (name, value, line) => {
    if (SWITCH.has(name)) return;
    const options = listMembers(value).filter((option) => !SWITCH.has(option.toLowerCase()));
    text += `${line}: ${name === "connection" ? options.join(", ") : value}\r\n`;
  });
  socket.unshift(Buffer.concat([Buffer.from(`${text}\r\n`, "latin1"), head]));
  server.emit("connection", socket);
  socket.resume();
}
