import type { Handler } from "./origin.ts";

/** As `body`, with other bytes at its end: what a reader of the beginning cannot tell. */
export function spoiled(body: Buffer): Buffer {
  const bytes = Buffer.from(body);
  for (let i = 1; i <= 16; i++) bytes.writeUInt8(bytes.readUInt8(bytes.length - i) ^ 0xff, bytes.length - i);
  return bytes;
}

/** Answers with these bytes, and with nothing that tells how many they are. */
export function chunkedHandler(body: Buffer): Handler {
  return (_, response) => {
    response.writeHead(200, { "Transfer-Encoding": "chunked" });
    response.end(body);
  };
}
