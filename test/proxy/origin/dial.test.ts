import { spawn } from "node:child_process";
import type { LookupAddress } from "node:dns";
import { once } from "node:events";
import net, { type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { describe, expect } from "vitest";
import { AddressRules } from "../../../policy/access/address-rules.ts";
import { createDialer, type Lookup } from "../../../proxy/origin/dial.ts";
import { get } from "../../support/client.ts";
import { unusedPort } from "../../support/listen.ts";
import { cleanEnvironment } from "../../support/programs.ts";
import { test as base, SETTINGS } from "../workbench.ts";

/** Nobody listens at these. */
const CLOSED: LookupAddress = { address: "127.0.0.2", family: 4 };
const CLOSED_6: LookupAddress = { address: "::1", family: 6 };
const OPEN: LookupAddress = { address: "127.0.0.1", family: 4 };

/** Its queue is full: what knocks there is not answered, until it is told to let everybody in. */
const BLACK_HOLE = `
import socket, sys

hole = socket.create_server(("127.0.0.3", int(sys.argv[1])), backlog=0)
held = [socket.create_connection(hole.getsockname()) for _ in range(1)]
print("full", flush=True)
sys.stdin.readline()
while True: held.append(hole.accept()[0])
`;

const test = base
  .extend("listen", async ({ task: _ }, { onCleanup }) => {
    const servers: Server[] = [];
    onCleanup(() => {
      for (const server of servers) server.close();
    });
    /** @returns its port. It says its own address to whoever connects. */
    return async (host: string, at?: number): Promise<number> => {
      const port = at ?? (await unusedPort());
      const server = net.createServer((socket) => socket.on("error", () => undefined).end(host)).listen(port, host);
      servers.push(server);
      await once(server, "listening");
      return port;
    };
  })
  .extend("openBlackHole", async ({ task: _ }, { onCleanup }) => {
    const ends: (() => Promise<unknown>)[] = [];
    onCleanup(async () => {
      await Promise.all(ends.map((end) => end()));
    });
    /** On 127.0.0.3. @returns what lets everybody in */
    return async (port: number) => {
      const child = spawn("python3", ["-c", BLACK_HOLE, String(port)], { env: cleanEnvironment(tmpdir()) });
      ends.push(() => {
        const gone = once(child, "exit");
        child.kill("SIGKILL");
        return gone;
      });
      await once(createInterface(child.stdout), "line");
      return { address: { address: "127.0.0.3", family: 4 }, letIn: () => void child.stdin.write("\n") };
    };
  });

function dialer(lookUp: Lookup, allowDestinations = SETTINGS.allowDestinations) {
  const addresses = new AddressRules({ ...SETTINGS, allowDestinations, ownAddresses: [] });
  return createDialer({ addresses, isOwnListener: () => false }, lookUp);
}

/** @returns the address that was reached, or the code of the fault. */
async function reach(found: readonly LookupAddress[] | Lookup, port: number, timeoutMs = 5_000): Promise<string> {
  const lookUp = typeof found === "function" ? found : () => Promise.resolve(found);
  try {
    const socket = await dialer(lookUp).dial({ host: "origin.test", port }, { timeoutMs });
    return String((await once(socket, "data"))[0]);
  } catch (error) {
    return (error as { readonly code: string }).code;
  }
}

describe("an origin of several addresses", () => {
  test("is reached by the next when one refuses", async ({ listen }) => {
    expect(await reach([CLOSED, CLOSED_6, OPEN], await listen("127.0.0.1"))).toBe("127.0.0.1");
  });

  test("is reached by the next when one does not answer", async ({ listen, openBlackHole }) => {
    const port = await listen("127.0.0.1");
    const { address } = await openBlackHole(port);
    expect(await reach([address, OPEN], port)).toBe("127.0.0.1");
  });

  test("is reached by the one that is slow when the others refuse", async ({ listen, openBlackHole }) => {
    const port = await listen("127.0.0.1");
    const { address, letIn } = await openBlackHole(port);
    const lookUp: Lookup = () => Promise.resolve([address, CLOSED]);
    const reached = dialer(lookUp).dial({ host: "origin.test", port }, { timeoutMs: 10_000 });
    letIn();
    const socket = await reached;
    expect(socket.remoteAddress).toBe("127.0.0.3");
    socket.destroy();
  });

  test("is reached by IPv6 alone", async ({ listen }) => {
    const port = await listen("::1");
    expect(await reach([CLOSED_6], port)).toBe("::1");
    expect(await reach([CLOSED, CLOSED_6], port)).toBe("::1");
  });

  test("is connected to at allowed addresses only", async ({ listen }) => {
    const port = await listen("127.0.0.1");
    const lookUp: Lookup = () => Promise.resolve([CLOSED, OPEN]);
    const only = dialer(lookUp, ["127.0.0.1"]);
    const socket = await only.dial({ host: "origin.test", port }, { timeoutMs: 5_000 });
    expect(socket.remoteAddress).toBe("127.0.0.1");
    socket.destroy();
    await expect(dialer(lookUp, []).dial({ host: "origin.test", port }, { timeoutMs: 5_000 })).rejects.toMatchObject({
      code: "DESTINATION_NOT_ALLOWED",
    });
  });

  test("of which none answers is told of within the time", async ({ listen, openBlackHole }) => {
    const port = await listen("127.0.0.1");
    const { address } = await openBlackHole(port);
    expect(await reach([address], port, 300)).toBe("ORIGIN_CONNECT_TIMEOUT");
    expect(await reach([CLOSED, CLOSED_6], port)).toBe("ORIGIN_REFUSED");
  });
});

describe("the name of an origin", () => {
  test("is looked up for each connection", async ({ listen }) => {
    const port = await listen("127.0.0.1");
    await listen("127.0.0.4", port);
    const answers = [OPEN, { address: "127.0.0.4", family: 4 }];
    const lookUp: Lookup = () => Promise.resolve(answers.splice(0, 1));
    expect([await reach(lookUp, port), await reach(lookUp, port)]).toEqual(["127.0.0.1", "127.0.0.4"]);
  });

  test("that is looked up for too long costs no longer than a connection may", async () => {
    expect(await reach(() => new Promise(() => undefined), 80, 200)).toBe("ORIGIN_CONNECT_TIMEOUT");
  });

  test("that is not there is told of", async () => {
    const missing = Object.assign(new Error("getaddrinfo ENOTFOUND origin.test"), { code: "ENOTFOUND" });
    expect(await reach(() => Promise.reject(missing), 80)).toBe("ORIGIN_DNS");
    expect(await reach([], 80)).toBe("ORIGIN_DNS");
  });
});

test("an IPv6 address stands in brackets in a URL", async ({ startLarder }) => {
  const larder = await startLarder();
  const server = net.createServer((socket) => {
    socket.once("data", (head) => {
      const host = /host: (.*)\r\n/i.exec(String(head))?.[1] ?? "";
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${host.length}\r\n\r\n${host}`);
    });
  });
  server.listen(0, "::1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const answer = await get(larder, `http://[::1]:${port}/file`);
  expect(String(answer.body)).toBe(`[::1]:${port}`);
  server.close();
});
