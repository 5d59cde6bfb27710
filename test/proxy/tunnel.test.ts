import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { joinTunnel } from "../../proxy/inbound/tunnel.ts";

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** Two ends of a TCP connection; both may end by halves. */
async function connection(): Promise<{ near: Socket; far: Socket }> {
  const server = net.createServer({ allowHalfOpen: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = net.connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
  const [[far]] = (await Promise.all([once(server, "connection"), once(near, "connect")])) as [[Socket], unknown];
  open.push(server, { close: () => near.destroy() }, { close: () => far.destroy() });
  return { near, far };
}

/** What the other side sends before it ends; unlike a stream consumer it leaves our own side open. */
async function textUntilEnd(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  await once(socket, "end");
  return text;
}

describe("a tunnel", () => {
  test("passes on each side's end by itself, so that an answer may follow the end of the question", async () => {
    const [client, origin] = await Promise.all([connection(), connection()]);
    const end = joinTunnel(client.far, origin.near, 60_000);
    client.near.end("question");
    expect(await textUntilEnd(origin.far)).toBe("question");
    origin.far.end("answer after the end");
    expect(await textUntilEnd(client.near)).toBe("answer after the end");
    expect(await end).toEqual({ sentBytes: 8, receivedBytes: 20 });
  });

  test("ends both connections when one is reset", async () => {
    const [client, origin] = await Promise.all([connection(), connection()]);
    const end = joinTunnel(client.far, origin.near, 60_000);
    origin.far.resetAndDestroy();
    await end;
    expect(client.far.destroyed && origin.near.destroyed).toBe(true);
  });

  test("ends when neither side has moved a byte for the idle time", async () => {
    const [client, origin] = await Promise.all([connection(), connection()]);
    await joinTunnel(client.far, origin.near, 20);
    expect(client.far.destroyed && origin.near.destroyed).toBe(true);
  });
});
