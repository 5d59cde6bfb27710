import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readClientHello } from "../../../policy/access/client-hello.ts";
import { listenOnLoopback } from "../../support/listen.ts";

/** What Node's own TLS client says first. */
async function realClientHello(options: tls.ConnectionOptions): Promise<Buffer> {
  const server = net.createServer();
  const port = await listenOnLoopback(server);
  const client = tls.connect({ host: "127.0.0.1", port, ...options });
  client.on("error", () => undefined);
  const [socket] = (await once(server, "connection")) as [net.Socket];
  const [bytes] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  await once(server, "close");
  return bytes;
}

/** Puts a handshake message into records of at most `size` bytes. */
function inRecords(message: Buffer, size: number): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const fragment = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, fragment.length >> 8, fragment.length & 255]), fragment);
  }
  return Buffer.concat(records);
}

describe("the ClientHello (RFC 8446 §4.1.2)", () => {
  test("tells name and protocols of a real client", async () => {
    const bytes = await realClientHello({ servername: "pypi.org", ALPNProtocols: ["h2", "http/1.1"] });
    expect(readClientHello(bytes)).toMatchObject({ serverName: "pypi.org", alpn: ["h2", "http/1.1"] });
  });

  test("tells neither when a real client sends neither", async () => {
    const fingerprint = expect.any(String);
    expect(readClientHello(await realClientHello({}))).toEqual({ fingerprint });
    expect(readClientHello(await realClientHello({ maxVersion: "TLSv1.2" }))).toEqual({ fingerprint });
  });

  test("tells a real client from another, whatever host it is for", async () => {
    const printOf = async (options: tls.ConnectionOptions) => {
      const hello = readClientHello(await realClientHello(options));
      return typeof hello === "string" ? hello : hello.fingerprint;
    };
    expect(await printOf({ servername: "a.example" })).toBe(await printOf({ servername: "b.example.org" }));
    const others = [
      { maxVersion: "TLSv1.2" as const },
      { ciphers: "TLS_AES_128_GCM_SHA256" },
      { ALPNProtocols: ["http/1.1"] },
    ];
    for (const other of others) expect(await printOf(other)).not.toBe(await printOf({}));
  });

  test("is incomplete at every cut, and the same with whatever follows", async () => {
    const bytes = await realClientHello({ servername: "pypi.org" });
    for (let length = 0; length < bytes.length; length++) {
      expect(readClientHello(bytes.subarray(0, length))).toBe("incomplete");
    }
    expect(readClientHello(Buffer.concat([bytes, Buffer.from("GET / HTTP/1.1")]))).toMatchObject({
      serverName: "pypi.org",
    });
  });

  test("may be split over records", async () => {
    const bytes = await realClientHello({ servername: "pypi.org" });
    const message = bytes.subarray(5);
    for (const size of [message.length - 1, 100, 17]) {
      const split = inRecords(message, size);
      expect(readClientHello(split)).toMatchObject({ serverName: "pypi.org" });
      expect(readClientHello(split.subarray(0, -1))).toBe("incomplete");
    }
    expect(readClientHello(inRecords(message, 1))).toBe("not-tls");
  });

  test.each([
    ["an http request", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["SSH", Buffer.from("SSH-2.0-OpenSSH_9.2\r\n")],
    ["an alert", Buffer.from([21, 3, 1, 0, 2, 2, 40])],
    ["another version", Buffer.from([22, 2, 0])],
    ["an empty record", Buffer.from([22, 3, 1, 0, 0])],
    ["a record that is too long", Buffer.from([22, 3, 1, 0x40, 1])],
    ["a ServerHello", Buffer.from([22, 3, 1, 0, 4, 2])],
    ["a hello that is too long", Buffer.from([22, 3, 1, 0x40, 0, 1, 1, 0, 0])],
    ["a hello without anything in it", Buffer.from([22, 3, 1, 0, 4, 1, 0, 0, 0])],
  ])("is not %s", (_, bytes) => {
    expect(readClientHello(bytes)).toBe("not-tls");
  });

  test("is not one that is longer than what it holds", async () => {
    const message = Buffer.concat([(await realClientHello({})).subarray(5), Buffer.from([0])]);
    message.writeUIntBE(message.length - 4, 1, 3);
    expect(readClientHello(inRecords(message, 2 ** 14))).toBe("not-tls");
  });

  test("is read or refused, never waited for beyond its bounds and never thrown at, whatever the bytes", async () => {
    const bytes = await realClientHello({ servername: "pypi.org", ALPNProtocols: ["http/1.1"] });
    const damage = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
    const damaged = damage.map((changes) => {
      const copy = Buffer.from(bytes);
      for (const [at, value] of changes) copy[at] = value;
      return copy;
    });
    const noise = fc.uint8Array({ maxLength: 600 }).map((tail) => Buffer.concat([Buffer.from([22, 3, 1]), tail]));
    fc.assert(
      fc.property(fc.oneof(damaged, noise), (hello) => {
        const reading = readClientHello(hello);
        return typeof reading === "object" || reading === "incomplete" || reading === "not-tls";
      }),
      { numRuns: 2000 },
    );
    const endless = Buffer.alloc(200_000, Buffer.from([22, 3, 1, 0, 1, 1]));
    expect(readClientHello(endless)).toBe("not-tls");
  });
});
