import net from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";

/** How much went over two connections that were joined. */
export interface JoinEnd {
  /** Bytes from the client, and bytes to it; 0 where the connection does not count them. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface JoinOptions {
  /** When neither side has moved a byte for so long, both are broken off; left out, they may be silent for ever. */
  readonly idleMs?: number;
}

/**
 * Joins two open connections blindly and owns them from then on. Each side's end is handed on by itself (half-close); a
 * side that breaks off takes the other with it. Never rejects.
 * @returns when both have closed.
 */
export async function join(
  client: Duplex,
  server: Duplex & Partial<Pick<net.Socket, "bytesRead" | "bytesWritten">>,
  { idleMs = 0 }: JoinOptions = {},
): Promise<JoinEnd> {
  const sides = [client, server] as const;
  const breakBothOff = (): void => sides.forEach(breakOff);
  // One may have gone while the other was being opened, and tells of it no more.
  const closed = Promise.all(sides.map((side) => closeOf(side, breakBothOff)));
  if (!client.closed && !server.closed) {
    if (client instanceof net.Socket) client.setTimeout(idleMs, breakBothOff);
    client.pipe(server);
    server.pipe(client);
  }
  await closed;
  return { sentBytes: server.bytesWritten ?? 0, receivedBytes: server.bytesRead ?? 0 };
}

/** A close without both ends is a breaking off: nothing more can go either way. */
function closeOf(side: Duplex, onBreak: () => void): Promise<void> {
  return new Promise((resolve) => {
    const onClose = (): void => {
      if (!side.readableEnded || !side.writableFinished) onBreak();
      resolve();
    };
    side.on("error", onBreak);
    if (side.closed) onClose();
    else side.once("close", onClose);
  });
}

/** By a reset where there is one, for after an orderly end a part would pass for the whole. */
function breakOff(side: Duplex): void {
  const isPlainTcp = side instanceof net.Socket && !(side instanceof TLSSocket) && side.remoteFamily !== undefined;
  if (isPlainTcp) side.resetAndDestroy();
  else side.destroy();
}
