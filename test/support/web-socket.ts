import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Accepts a WebSocket (RFC 6455 §4.2.2) and sends each frame of up to 64 KiB back, until the client closes. */
export function echoWebSocket(request: IncomingMessage, socket: Duplex): void {
  const key = request.headers["sec-websocket-key"] ?? "";
  const accept = createHash("sha1")
    .update(key + GUID)
    .digest("base64");
  socket.on("error", () => undefined);
  socket.on("end", () => socket.end());
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let pending = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (let frame = readFrame(pending); frame !== undefined; frame = readFrame(pending)) {
      pending = pending.subarray(frame.bytes);
      socket.write(frame.echo);
      if (frame.isClose) socket.end();
    }
  });
}

/** One masked frame (§5.2) as the unmasked one that answers it; `undefined` while it is not all there. */
function readFrame(
  bytes: Buffer,
): { readonly bytes: number; readonly echo: Buffer; readonly isClose: boolean } | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes.readUInt8(1) & 127;
  const start = short === 126 ? 4 : 2;
  if (bytes.length < start) return undefined;
  const length = short === 126 ? bytes.readUInt16BE(2) : short;
  if (bytes.length < start + 4 + length) return undefined;
  const mask = bytes.subarray(start, start + 4);
  const payload = bytes.subarray(start + 4, start + 4 + length).map((byte, i) => byte ^ (mask[i % 4] ?? 0));
  const head = Buffer.from(bytes.subarray(0, start));
  head.writeUInt8(short, 1);
  return { bytes: start + 4 + length, echo: Buffer.concat([head, payload]), isClose: (bytes.readUInt8(0) & 15) === 8 };
}
