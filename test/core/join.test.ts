import { once } from "node:events";
import net, { type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { join } from "../../core/join.ts";
import { listenOnLoopback } from "../support/listen.ts";

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** Two ends of a TCP connection; both may end by halves. */
async function connection(): Promise<{ near: Socket; far: Socket }> {
  const server = net.createServer({ allowHalfOpen: true });
  const port = await listenOnLoopback(server);
  const near = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const [[far]] = (await Promise.all([once(server, "connection"), once(near, "connect")])) as [[Socket], unknown];
  // Either may be reset; who waits for that hears of it all the same.
  for (const side of [near, far]) side.on("error", () => undefined);
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

describe("two joined connections", () => {
  test("pass on each side's end by itself, so that an answer may follow the end of the question", async () => {
    const [client, origin] = await Promise.all([connection(), connection()]);
    const end = join(client.far, origin.near);
    client.near.end("question");
    expect(await textUntilEnd(origin.far)).toBe("question");
    origin.far.end("answer after the end");
    expect(await textUntilEnd(client.near)).toBe("answer after the end");
    expect(await end).toEqual({ sentBytes: 8, receivedBytes: 20 });
  });

  test("both break off, and not by an orderly end, when one is reset", async () => {
    const [client, origin] = await Promise.all([connection(), connection()]);
    const end = join(client.far, origin.near);
    const told = once(client.near, "error");
    origin.far.resetAndDestroy();
    expect((await told)[0]).toMatchObject({ code: "ECONNRESET" });
    await end;
    expect(client.far.destroyed && origin.near.destroyed).toBe(true);
  });

  test("end when neither side has moved a byte for the idle time", async () => {
    const [client, origin] = await Promise.all([connection(), connection()]);
    await join(client.far, origin.near, { idleMs: 20 });
    expect(client.far.destroyed && origin.near.destroyed).toBe(true);
  });

  test("are both gone when one of them went before they were joined", async () => {
    const [client, origin] = await Promise.all([connection(), connection()]);
    origin.near.destroy();
    await once(origin.near, "close");
    await join(client.far, origin.near);
    expect(client.far.destroyed).toBe(true);
  });

  test("both break off when one of them is no TCP connection and fails", async () => {
    const { near, far } = await connection();
    const program = new PassThrough();
    const end = join(program, far);
    const told = once(near, "error");
    program.destroy(new Error("gone"));
    expect((await told)[0]).toMatchObject({ code: "ECONNRESET" });
    await end;
  });
});
