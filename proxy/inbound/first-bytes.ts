import type net from "node:net";

/**
 * Which side of a tunnel says something first, without taking any of it. An end counts as a word of that side. Resolves
 * with
 * `undefined` when a connection breaks, or neither says anything for `timeoutMs`.
 */
export function firstToSpeak(
  client: net.Socket,
  server: net.Socket,
  timeoutMs: number,
): Promise<"client" | "server" | undefined> {
  return new Promise((resolve) => {
    const settle = (result: "client" | "server" | undefined): void => {
      clearTimeout(timer);
      for (const side of [client, server]) side.off("close", onGone).off("error", onGone);
      client.off("readable", onClient);
      server.off("readable", onServer);
      resolve(result);
    };
    const onGone = (): void => settle(undefined);
    const onClient = (): void => settle("client");
    const onServer = (): void => settle("server");
    const timer = setTimeout(onGone, timeoutMs);
    for (const side of [client, server]) side.once("close", onGone).once("error", onGone);
    client.once("readable", onClient);
    server.once("readable", onServer);
    if (client.destroyed || server.destroyed) onGone();
  });
}

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
    // Another look may have paused it.
    socket.resume();
  });
}
