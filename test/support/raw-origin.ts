import { once } from "node:events";
import net, { type AddressInfo } from "node:net";

/** What is done with each request; its head comes in full. */
export type RawAnswer = (socket: net.Socket, head: string) => void | Promise<void>;

/** An origin that says what node:http would not: bytes of the test's choice. */
export interface RawOrigin {
  readonly url: string;
  /** The heads of the requests so far. */
  readonly heads: readonly string[];
  stop(): Promise<void>;
}

/** Requests must have no content. */
export async function startRawOrigin(answer: RawAnswer): Promise<RawOrigin> {
  const heads: string[] = [];
  const open = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    open.add(socket.once("close", () => open.delete(socket)));
    socket.on("error", () => undefined);
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
        const head = text.slice(0, end);
        text = text.slice(end + 4);
        heads.push(head);
        void answer(socket, head);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async (): Promise<void> => {
    const closed = once(server, "close");
    server.close();
    for (const socket of open) socket.destroy();
    await closed;
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heads, stop };
}
