import type net from "node:net";

/**
 * Reads what a client says first inside a tunnel, until `isEnough`, and puts it back: the socket comes out paused, with
 * every byte still to be read. Resolves with an empty buffer when the client says nothing for `timeoutMs`, and with
 * `undefined` when it left.
 */
export function peekFirstBytes(
  socket: net.Socket,
  isEnough: (bytes: Buffer) => boolean,
  timeoutMs: number,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    let isSettled = false;
    const settle = (result: Buffer | undefined): void => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      socket.pause();
      socket.removeListener("data", onData);
      socket.removeListener("end", onGone);
      socket.removeListener("close", onGone);
      if (bytes.length > 0) socket.unshift(bytes);
      resolve(result);
    };
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      if (isEnough(bytes)) settle(bytes);
    };
    const onGone = (): void => settle(undefined);
    // A busy process runs its timers before it reads: what has arrived by now still counts.
    const timer = setTimeout(() => setImmediate(() => settle(bytes)), timeoutMs);
    socket.on("data", onData);
    socket.once("end", onGone);
    socket.once("close", onGone);
  });
}
