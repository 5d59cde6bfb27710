import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import tls from "node:tls";
import { describe, expect } from "vitest";
import type { KeyPair } from "../../support/authority.ts";
import { get, openTunnel, readToEnd, sendRaw } from "../../support/client.ts";
import { test } from "../workbench.ts";

const FRESH = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n";
const CHUNKED = `${FRESH}Transfer-Encoding: chunked\r\n\r\n`;
const answer = (...lines: string[]) => `${FRESH}${lines.join("\r\n")}\r\n\r\nabc`;
const coded = (coding: string) => `${FRESH}Transfer-Encoding: ${coding}\r\n\r\n3\r\nabc\r\n0\r\n\r\n`;

/** Answers of which two readers could make two things, or whose end never comes. */
const BAD_ANSWERS: readonly (readonly [title: string, sent: string])[] = [
  ["two lengths that differ", answer("Content-Length: 3", "Content-Length: 5")],
  ["two lengths that agree", answer("Content-Length: 3", "Content-Length: 3")],
  ["two lengths in a line", answer("Content-Length: 3, 3")],
  ["a length before chunks", `${FRESH}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`],
  ["chunks before a length", `${FRESH}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n`],
  ["a length with a plus", answer("Content-Length: +3")],
  ["a length below zero", answer("Content-Length: -3")],
  ["a hexadecimal length", answer("Content-Length: 0x3")],
  ["a length with a space inside", answer("Content-Length: 3 3")],
  ["gzip, chunked", coded("gzip, chunked")],
  ["chunked twice", coded("chunked, chunked")],
  ["chunked, identity", coded("chunked, identity")],
  ["a name that nobody knows before chunked", coded("binary, chunked")],
  ["a name that nobody knows behind chunked", coded("chunked, binary")],
  ["two names that nobody knows", coded("binary, 8bit")],
  ["chunked with a parameter", coded("chunked;a=b")],
  ["a coding of messages that nobody asked for", coded("gzip")],
  ["a coding of contents", coded("br")],
  ["a name that nobody knows beside a length", answer("Transfer-Encoding: binary", "Content-Length: 3")],
  ["a coding that only looks like chunked", coded("xchunked")],
  ["a vertical tab before chunked", coded("\u000bchunked")],
  ["a space before a colon", answer("Content-Length : 3")],
  ["a folded field (obs-fold)", answer("X-A: b\r\n c", "Content-Length: 3")],
  ["lines that end in a bare LF", answer("Content-Length: 3").replaceAll("\r", "")],
  ["a bare CR in a value: a field of the attacker's own", answer("X-A: b\rSet-Cookie: x=1", "Content-Length: 3")],
  ["a NUL in a value", answer("X-A: b\0c", "Content-Length: 3")],
  ["a space in a name", answer("X A: b", "Content-Length: 3")],
  ["a chunk's size that is none", `${CHUNKED}zz\r\nabc\r\n0\r\n\r\n`],
  ["a chunk's size beyond 64 bits", `${CHUNKED}ffffffffffffffffff\r\nabc\r\n0\r\n\r\n`],
  ["a space after a chunk's size", `${CHUNKED}3 \r\nabc\r\n0\r\n\r\n`],
  ["chunks that end in a bare LF", `${CHUNKED}3\nabc\n0\n\n`],
  ["a chunk longer than its size", `${CHUNKED}3\r\nabcd\r\n0\r\n\r\n`],
  ["chunks without an end", `${CHUNKED}3\r\nabc\r\n`],
  ["a status below 100", "HTTP/1.1 099 X\r\nContent-Length: 3\r\n\r\nabc"],
  ["a status of four digits", "HTTP/1.1 1000 X\r\nContent-Length: 3\r\n\r\nabc"],
  ["another protocol, unasked", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc"],
  ["no HTTP at all", "hello world"],
  ["a head of 100 KB", answer(`X-A: ${"a".repeat(100_000)}`, "Content-Length: 3")],
];

/** An origin that answers every request with these bytes, then ends; by TLS when it is given a certificate. */
async function startLiar(bytes: string, certificate?: KeyPair): Promise<{ readonly url: string; close(): void }> {
  const lie = (socket: net.Socket): void => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(bytes, "latin1"));
  };
  const server = certificate === undefined ? net.createServer(lie) : tls.createServer(certificate, lie);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const url = certificate === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`;
  return { url, close: () => server.close() };
}

const request = (method: string, url: string, path: string, host = new URL(url).host) =>
  `${method} ${url}${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n` +
  `${method === "POST" ? "Content-Length: 0\r\n" : ""}\r\n`;

/** Either an answer that names the fault, or one that is cut before its end. */
function isRefused(text: string): boolean {
  if (/^HTTP\/1\.1 502 .*ORIGIN_(?:PROTOCOL|CUT|RESET)/s.test(text)) return true;
  const [head = "", body = ""] = text.split("\r\n\r\n", 2);
  return head === "" || (/transfer-encoding: chunked/i.test(head) && !text.endsWith("0\r\n\r\n") && body.length < 20);
}

describe("an answer whose framing is in doubt", () => {
  test.for(BAD_ANSWERS)("by %s completes at no client and is not stored", async ([, sent], { startLarder }) => {
    const larder = await startLarder();
    const liar = await startLiar(sent);
    const got = await sendRaw(larder.port, request("GET", liar.url, "/a"));
    expect.soft(got).not.toMatch(/set-cookie/i);
    expect.soft(isRefused(got), got.slice(0, 500)).toBe(true);
    expect.soft(larder.store.find(`GET ${liar.url}/a`)).toEqual([]);
    const posted = await sendRaw(larder.port, request("POST", liar.url, "/a"));
    expect(isRefused(posted), posted.slice(0, 500)).toBe(true);
    liar.close();
  });

  test("is refused by TLS as well", async ({ authority, startLarder }) => {
    const larder = await startLarder({ settings: { originRoots: authority.caPem } });
    const got: unknown[] = [];
    for (const [title, sent] of BAD_ANSWERS) {
      const liar = await startLiar(sent, authority.certificate("good"));
      const { host } = new URL(liar.url);
      const secure = tls.connect({
        socket: await openTunnel(larder.port, host),
        servername: "localhost",
        ca: larder.ca,
      });
      await once(secure, "secureConnect");
      secure.write(request("GET", "", "/a", host));
      got.push([title, isRefused(await readToEnd(secure)), larder.store.find(`GET ${liar.url}/a`)]);
      liar.close();
    }
    expect(got).toEqual(BAD_ANSWERS.map(([title]) => [title, true, []]));
  });

  test("is not one that only looks odd: chunk extensions are read over, and go no further", async ({ startLarder }) => {
    const larder = await startLarder();
    const liar = await startLiar(`${CHUNKED}3;a="b;\t1";c\r\nabc\r\n0;d\r\n\r\n`);
    for (const method of ["GET", "GET", "POST"]) {
      const got = await sendRaw(larder.port, request(method, liar.url, "/a"));
      expect(got).toMatch(/^HTTP\/1\.1 200 .*abc/s);
      expect(got).not.toMatch(/a=|;c|;d/);
    }
    liar.close();
  });

  test.for(["binary", "8bit", "identity", "XYZ"])(
    "is not one whose coding is a name that nobody knows (%s): its content ends with its connection (RFC 9112 §6.3)",
    async (coding, { startLarder }) => {
      const larder = await startLarder();
      const content = "3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
      const liar = await startLiar(`${FRESH}Transfer-Encoding: ${coding}\r\n\r\n${content}`);
      for (const _ of ["miss", "hit"]) {
        const got = await get(larder, `${liar.url}/a`);
        expect(got).toMatchObject({ status: 200, isWhole: true });
        expect(got.body.toString()).toBe(content);
        expect(got.headers["transfer-encoding"]).not.toBe(coding);
      }
      expect(larder.store.find(`GET ${liar.url}/a`)).toMatchObject([{ bytes: content.length }]);
      await expect.poll(() => larder.events.map(({ isHit }) => isHit)).toEqual([false, true]);
      const posted = await sendRaw(larder.port, request("POST", liar.url, "/a"));
      expect(posted).toMatch(/^HTTP\/1\.1 200 /);
      expect(posted).toContain(content);
      liar.close();
    },
  );

  test("does not include what follows it: a second answer is nobody's", async ({ startLarder }) => {
    const larder = await startLarder();
    const liar = await startLiar(`${FRESH}Content-Length: 3\r\n\r\nabc${FRESH}Content-Length: 4\r\n\r\nevil`);
    for (const path of ["/a", "/b", "/a"]) {
      const got = await sendRaw(larder.port, request("GET", liar.url, path));
      expect(got.split("\r\n\r\n")[1]).toBe("abc");
    }
    liar.close();
  });
});

describe("a request with more than 2000 fields", () => {
  test("keeps the one that says how long it is", async ({ startLarder }) => {
    const larder = await startLarder();
    const seen: string[] = [];
    const origin = net.createServer((socket) => {
      socket.on("data", (chunk: Buffer) => {
        seen.push(chunk.toString("latin1"));
        if (seen.join("").endsWith("abc")) socket.end("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
      });
    });
    origin.listen(0, "127.0.0.1");
    await once(origin, "listening");
    const host = `127.0.0.1:${(origin.address() as AddressInfo).port}`;
    const many = "a: b\r\n".repeat(3000);
    const head = `POST http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${many}Content-Length: 3\r\n\r\n`;
    expect(await sendRaw(larder.port, `${head}abc`)).toMatch(/^HTTP\/1\.1 204/);
    expect(seen.join("")).toMatch(/content-length: 3\r\n/i);
    origin.close();
  });
});
