import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import net from "node:net";
import { describe, expect } from "vitest";
import { test as base } from "../support/fixtures.ts";
import { PROGRAM } from "../support/larder.ts";
import { listenOnLoopback } from "../support/listen.ts";
import { cleanEnvironment } from "../support/programs.ts";

const CUT = "HTTP/1.0 200 OK\r\n\r\nhalf of it";

/** A server on the loopback, ended with the test. */
const test = base.extend("listen", async ({ prefix: _ }, { onCleanup }) => {
  const servers: net.Server[] = [];
  const sockets = new Set<net.Socket>();
  onCleanup(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
  });
  return async (answer: (socket: net.Socket) => void): Promise<number> => {
    const server = net.createServer((socket) => {
      sockets.add(socket.on("error", () => undefined));
      answer(socket);
    });
    servers.push(server);
    return await listenOnLoopback(server);
  };
});

/** As QEMU's guestfwd starts it: stdin, stdout and stderr are one socket. @returns the guest's end */
async function startOnSocket(
  listen: (answer: (socket: net.Socket) => void) => Promise<number>,
  folder: string,
  ...args: string[]
) {
  const accepting = new EventEmitter();
  const accepted = once(accepting, "socket");
  const port = await listen((socket) => accepting.emit("socket", socket));
  const guest = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const [given]: net.Socket[] = await accepted;
  const child = spawn(process.execPath, [PROGRAM, "gateway", "--stdio", ...args], {
    stdio: [given as net.Socket, given as net.Socket, given as net.Socket],
    env: cleanEnvironment(folder),
  });
  const exited = once(child, "exit").then(([code]) => code as number | null);
  // The child has it now; as long as we do, too, its end is not the connection's.
  given?.destroy();
  let heard = "";
  guest.on("data", (chunk) => {
    heard += chunk;
  });
  const closed = new Promise<string>((resolve) => {
    guest.once("error", (error: NodeJS.ErrnoException) => resolve(`${heard} ${error.code}`));
    guest.once("end", () => resolve(heard));
  });
  guest.write("GET / HTTP/1.0\r\n\r\n");
  return { guest, closed, exited };
}

describe("a gateway on a socket of QEMU's", () => {
  test("says nothing into the connection when no proxy answers, but resets it", async ({ listen, folder }) => {
    const { closed, exited } = await startOnSocket(listen, folder, "--to", "127.0.0.1:1");
    expect(await closed).toBe(" ECONNRESET");
    expect(await exited).toBe(1);
  });

  test("resets what the proxy cut, and adds no word to it", async ({ listen, folder }) => {
    const proxy = await listen((socket) => {
      socket.once("data", () => {
        socket.write(CUT);
        socket.once("data", () => socket.resetAndDestroy());
      });
    });
    const { guest, closed, exited } = await startOnSocket(listen, folder, "--to", `127.0.0.1:${proxy}`);
    await once(guest, "data");
    guest.write("more");
    expect(await closed).toBe(`${CUT} ECONNRESET`);
    expect(await exited).toBe(1);
  });

  test("hands on everything, and ends with the connection", async ({ listen, folder }) => {
    const body = "package".repeat(500_000);
    const proxy = await listen((socket) => socket.once("data", () => socket.end(body)));
    const { guest, closed, exited } = await startOnSocket(listen, folder, "--to", `127.0.0.1:${proxy}`);
    expect((await closed) === body).toBe(true);
    guest.end();
    expect(await exited).toBe(0);
  });

  test("ends when its guest has gone, and the proxy hears of it", async ({ listen, folder }) => {
    const proxying = new EventEmitter();
    const asked = once(proxying, "asked");
    const proxy = await listen((socket) => socket.once("data", () => proxying.emit("asked", socket)));
    const { guest, exited } = await startOnSocket(listen, folder, "--to", `127.0.0.1:${proxy}`);
    const [socket]: net.Socket[] = await asked;
    const ended = once((socket as net.Socket).resume(), "end");
    guest.destroy();
    await ended;
    expect(await exited).not.toBeNull();
  });
});
