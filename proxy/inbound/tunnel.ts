import type net from "node:net";
import type { Duplex } from "node:stream";

export interface TunnelEnd {
  /** Bytes from the client, and bytes to it. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/**
 * Joins two connections blindly: each side's end is passed on by itself (half-close), and when neither has moved a byte
 * for `idleMs`, or either fails, both are destroyed.
 */
export function joinTunnel(
  client: net.Socket,
  upstream: Duplex & Partial<net.Socket>,
  idleMs: number,
): Promise<TunnelEnd> {
  return new Promise((resolve) => {
    const sides = [client, upstream] as const;
    let open = 2;
    const destroyBoth = (): void => {
      for (const side of sides) side.destroy();
    };
    const onClose = (side: Duplex): void => {
      open -= 1;
      // A close without an end is a reset: nothing more can come the other way.
      if (!side.readableEnded || !side.writableFinished) destroyBoth();
      if (open === 0) resolve({ sentBytes: upstream.bytesWritten ?? 0, receivedBytes: upstream.bytesRead ?? 0 });
    };
    for (const side of sides) {
      side.once("error", destroyBoth);
      // One may have gone while the other was being opened, and tells of it no more.
      if (side.closed) onClose(side);
      else side.once("close", () => onClose(side));
    }
    if (open < 2) return;
    client.setTimeout(idleMs, destroyBoth);
    client.pipe(upstream);
    upstream.pipe(client);
  });
}
