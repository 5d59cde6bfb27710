import net from "node:net";
import { Duplex, type Readable, type Writable } from "node:stream";

/**
 * Two one-way streams as one connection: what a program is given as stdin and stdout. Both may be one socket, as QEMU's
 * guestfwd has it; breaking off then resets that socket when the process ends, so that nobody takes a part for the
 * whole.
 */
export function connectionOf(input: Readable, output: Writable): Duplex {
  const connection = new Duplex({
    read: () => void input.resume(),
    write: (chunk, _encoding, done) => void output.write(chunk, done),
    final: (done) => void output.end(done),
    destroy: (error, done) => {
      const isBrokenOff = !connection.readableEnded || !connection.writableFinished;
      if (isBrokenOff && input instanceof net.Socket && input.remoteFamily !== undefined) input.resetAndDestroy();
      else input.destroy();
      done(error);
    },
  });
  input.on("data", (chunk: Buffer) => {
    if (!connection.push(chunk)) input.pause();
  });
  input.once("end", () => connection.push(null));
  for (const side of [input, output]) side.on("error", (error) => connection.destroy(error));
  input.pause();
  return connection;
}
