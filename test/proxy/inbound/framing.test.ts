import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { describe, expect } from "vitest";
import { openTunnel, readToEnd, sendRaw } from "../../support/client.ts";
import { listenOnLoopback } from "../../support/listen.ts";
import { type Bench, test } from "../workbench.ts";

const head = (...lines: string[]) => `${lines.join("\r\n")}\r\n\r\n`;
/** A request with these lines after its Host field; `…` stands for the origin. */
const ask = (method: string, ...lines: string[]) => head(`${method} …/a HTTP/1.1`, "Host: …", ...lines);
const chunks = (body: string) => `${ask("POST", "Transfer-Encoding: chunked")}${body}`;
/** What an attacker hides behind a request whose end is in doubt. */
const POISON = head("GET …/poison HTTP/1.1", "Host: …");

/** Requests of which two readers could make two things: each is refused, and nothing behind it is read. */
const REFUSED: readonly (readonly [title: string, code: string, sent: string])[] = [
  [
    "Content-Length before Transfer-Encoding",
    "FRAMING_AMBIGUOUS",
    both("Content-Length: 3", "Transfer-Encoding: chunked"),
  ],
  [
    "Transfer-Encoding before Content-Length",
    "FRAMING_AMBIGUOUS",
    both("Transfer-Encoding: chunked", "Content-Length: 3"),
  ],
  ["both on a GET", "FRAMING_AMBIGUOUS", `${ask("GET", "Content-Length: 3", "Transfer-Encoding: chunked")}0\r\n\r\n`],
  ["identity, chunked", "FRAMING_AMBIGUOUS", both("Transfer-Encoding: identity, chunked")],
  ["gzip, chunked", "FRAMING_AMBIGUOUS", both("Transfer-Encoding: gzip, chunked")],
  ["chunked, gzip", "FRAMING_AMBIGUOUS", both("Transfer-Encoding: chunked, gzip")],
  ["chunked twice in a line", "FRAMING_AMBIGUOUS", both("Transfer-Encoding: chunked, chunked")],
  ["chunked in two lines", "FRAMING_AMBIGUOUS", both("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")],
  ["a coding that only looks like chunked", "FRAMING_AMBIGUOUS", both("Transfer-Encoding: xchunked")],
  ["chunked in quotes", "FRAMING_AMBIGUOUS", both('Transfer-Encoding: "chunked"')],
  ["chunked with a parameter", "FRAMING_AMBIGUOUS", both("Transfer-Encoding: chunked;q=1")],
  ["chunked and an empty member", "FRAMING_AMBIGUOUS", both("Transfer-Encoding: chunked,")],
  ["an empty Transfer-Encoding", "FRAMING_AMBIGUOUS", both("Transfer-Encoding:")],
  ["identity", "FRAMING_AMBIGUOUS", both("Transfer-Encoding: identity")],
  ["a vertical tab before chunked", "BAD_REQUEST", both("Transfer-Encoding: \u000bchunked")],
  ["a space before the colon", "BAD_REQUEST", both("Transfer-Encoding : chunked")],
  ["a folded Transfer-Encoding", "BAD_REQUEST", both("Transfer-Encoding:\r\n chunked")],
  [
    "chunked over HTTP/1.0",
    "FRAMING_AMBIGUOUS",
    `${head("POST …/a HTTP/1.0", "Host: …", "Transfer-Encoding: chunked")}0\r\n\r\n`,
  ],
  ["a length twice", "FRAMING_AMBIGUOUS", content("Content-Length: 3", "Content-Length: 3")],
  ["two lengths in a line", "FRAMING_AMBIGUOUS", content("Content-Length: 3, 3")],
  ["a length with a plus", "FRAMING_AMBIGUOUS", content("Content-Length: +3")],
  ["a length below zero", "FRAMING_AMBIGUOUS", content("Content-Length: -3")],
  ["a hexadecimal length", "FRAMING_AMBIGUOUS", content("Content-Length: 0x3")],
  ["a length with a space inside", "FRAMING_AMBIGUOUS", content("Content-Length: 3 4")],
  ["an empty length", "FRAMING_AMBIGUOUS", content("Content-Length:")],
  ["a length beyond 64 bits", "FRAMING_AMBIGUOUS", content("Content-Length: 99999999999999999999999")],
  ["a length with an underscore", "FRAMING_AMBIGUOUS", content("Content-Length: 3_0")],
  ["a folded length", "BAD_REQUEST", content("Content-Length:\r\n 3")],
  ["a folded field (obs-fold)", "BAD_REQUEST", ask("GET", "X-A: b\r\n c")],
  ["a first field line that is folded", "BAD_REQUEST", head("GET …/a HTTP/1.1", " X-A: b", "Host: …")],
  ["lines that end in a bare LF", "BAD_REQUEST", ask("GET", "X-A: b").replaceAll("\r", "")],
  ["one line that ends in a bare LF", "BAD_REQUEST", ask("GET", "X-A: b\nX-B: c")],
  ["a bare CR in a value", "BAD_REQUEST", ask("GET", "X-A: b\rX-B: c")],
  ["a NUL in a value", "BAD_REQUEST", ask("GET", "X-A: b\0c")],
  ["a NUL in a name", "BAD_REQUEST", ask("GET", "X\0A: b")],
  ["a NUL in the target", "BAD_REQUEST", head("GET …/a\0b HTTP/1.1", "Host: …")],
  ["a space in a name", "BAD_REQUEST", ask("GET", "X A: b")],
  ["an empty name", "BAD_REQUEST", ask("GET", ": b")],
  ["a space in the target", "BAD_REQUEST", head("GET …/a b HTTP/1.1", "Host: …")],
  ["a tab for the space", "BAD_REQUEST", head("GET\t…/a HTTP/1.1", "Host: …")],
  ["two Host fields that differ", "BAD_REQUEST", ask("GET", "Host: evil.example")],
  ["two Host fields that agree", "BAD_REQUEST", ask("GET", "Host: …")],
  ["no Host field", "BAD_REQUEST", head("GET …/a HTTP/1.1")],
  ["a list of hosts", "BAD_REQUEST", head("GET …/a HTTP/1.1", "Host: a.example, b.example")],
  ["a Host with user information", "BAD_REQUEST", head("GET …/a HTTP/1.1", "Host: a@b.example")],
  ["HTTP/2.0 in a request line", "BAD_REQUEST", head("GET …/a HTTP/2.0", "Host: …")],
  ["HTTP/1.2 in a request line", "BAD_REQUEST", head("GET …/a HTTP/1.2", "Host: …")],
  ["the preface of HTTP/2", "BAD_REQUEST", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["a space after a chunk's size", "FRAMING_AMBIGUOUS", chunks("3 \r\nabc\r\n0\r\n\r\n")],
  ["a chunk's size with a plus", "FRAMING_AMBIGUOUS", chunks("+3\r\nabc\r\n0\r\n\r\n")],
  ["a chunk's size with 0x", "FRAMING_AMBIGUOUS", chunks("0x3\r\nabc\r\n0\r\n\r\n")],
  ["a chunk's size beyond 64 bits", "FRAMING_AMBIGUOUS", chunks("ffffffffffffffff3\r\nabc\r\n0\r\n\r\n")],
  ["no chunk's size", "FRAMING_AMBIGUOUS", chunks("\r\nabc\r\n0\r\n\r\n")],
  ["chunks that end in a bare LF", "BAD_REQUEST", chunks("3\nabc\n0\n\n")],
  ["a chunk longer than its size", "BAD_REQUEST", chunks("3\r\nabcd\r\n0\r\n\r\n")],
  ["a bare LF in a chunk's extension", "BAD_REQUEST", chunks("3;a\nb\r\nabc\r\n0\r\n\r\n")],
  ["40 KB of chunk extensions", "FRAMING_AMBIGUOUS", chunks(`3;${"a".repeat(40_000)}\r\nabc\r\n0\r\n\r\n`)],
];

function both(...lines: string[]): string {
  return `${ask("POST", ...lines)}0\r\n\r\n`;
}

function content(...lines: string[]): string {
  return `${ask("POST", ...lines)}abc`;
}

/** Forms that look odd and mean one thing: they pass, and what follows them is answered. */
const ACCEPTED: readonly (readonly [title: string, sent: string])[] = [
  ["spaces and tabs around a length", content("Content-Length:\t3 ")],
  ["chunked in capitals", both("Transfer-Encoding: CHUNKED")],
  ["a chunk extension", chunks('3;a="b"\r\nabc\r\n0\r\n\r\n')],
  ["empty lines before a request (RFC 9112 §2.2)", `\r\n\r\n${ask("GET")}`],
  [
    "a Host beside a target that names another: the target's goes on (RFC 9112 §3.2.2)",
    head("GET …/a HTTP/1.1", "Host: evil.example"),
  ],
  ["octets above ASCII in a value", ask("GET", "X-A: \u00ff\u00fe")],
  ["Connection that names the length", content("Content-Length: 3", "Connection: content-length")],
];

interface Heard {
  readonly requests: string[];
}

/** An origin that writes down every request line and Host field that it is sent, and answers each. */
async function startScribe(): Promise<{ readonly port: number; readonly heard: Heard; close(): void }> {
  const requests: string[] = [];
  const server = net.createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      const lines = chunk.toString("latin1").match(/^(?:(?:GET|POST) |host:).*$/gim) ?? [];
      requests.push(...lines.map((line) => line.trim()));
      const answers = lines.filter((line) => !/^host/i.test(line)).length;
      socket.write(head("HTTP/1.1 200 OK", "Cache-Control: no-store", "Content-Length: 0").repeat(answers));
    });
  });
  const port = await listenOnLoopback(server);
  return { port, heard: { requests }, close: () => server.close() };
}

const toOrigin = (sent: string, origin: string) =>
  sent.replaceAll("Host: …", `Host: ${origin}`).replaceAll("…", `http://${origin}`);

/** Sends it inside TLS inside a tunnel, where targets are in origin-form. */
async function sendInTls({ port, ca }: Bench, bytes: string, to: string): Promise<string> {
  const secure = tls.connect({ socket: await openTunnel(port, to), servername: "localhost", ca });
  await once(secure, "secureConnect");
  secure.write(bytes, "latin1");
  return await readToEnd(secure);
}

describe("a request whose framing is in doubt", () => {
  test("is refused, the connection closed, and nothing behind it read: in plain and inside TLS", async ({
    startLarder,
  }) => {
    const larder = await startLarder();
    const origin = await startScribe();
    const inPlain: unknown[] = [];
    const inTls: unknown[] = [];
    const codeOf = (answer: string) => /^HTTP\/1\.1 400 .*larder: (\w+)/s.exec(answer)?.[1] ?? answer;
    for (const [title, , sent] of REFUSED) {
      const bytes = toOrigin(sent + POISON, `127.0.0.1:${origin.port}`);
      inPlain.push([title, codeOf(await sendRaw(larder.port, bytes))]);
      const host = `localhost:${origin.port}`;
      const inside = (sent + POISON).replaceAll("Host: …", `Host: ${host}`).replaceAll("…", "");
      inTls.push([title, codeOf(await sendInTls(larder, inside, host))]);
    }
    const expected = REFUSED.map(([title, code]) => [title, code]);
    expect(inPlain).toEqual(expected);
    expect(inTls).toEqual(expected);
    expect(origin.heard.requests.filter((line) => line.includes("poison"))).toEqual([]);
    origin.close();
  });

  test.for(ACCEPTED)("%s is none", async ([, sent], { startLarder }) => {
    const larder = await startLarder();
    const origin = await startScribe();
    const authority = `127.0.0.1:${origin.port}`;
    const last = ask("GET", "Connection: close").replace("…/a", "…/last");
    const answer = await sendRaw(larder.port, toOrigin(sent + last, authority));
    expect(answer.match(/^HTTP\/1\.1 \d+/gm)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"]);
    const { requests } = origin.heard;
    expect(requests.filter((line) => /^host/i.test(line)).map((line) => line.toLowerCase())).toEqual([
      `host: ${authority}`,
      `host: ${authority}`,
    ]);
    expect(requests.filter((line) => line.startsWith("GET /last"))).toHaveLength(1);
    origin.close();
  });

  test("is not one that a field of the same name takes away: Connection cannot remove what answers are kept by", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    origin.serve("/page", (request, response) => {
      response.writeHead(200, { Vary: "Accept", "Cache-Control": "max-age=60" });
      response.end(`for ${request.headers.accept}`);
    });
    const fetch = (...lines: string[]) =>
      sendRaw(larder.port, head(`GET ${origin.url}/page HTTP/1.1`, `Host: 127.0.0.1:${origin.port}`, ...lines));
    expect(await fetch("Accept: text/html", "Connection: close, accept")).toContain("for undefined");
    expect(await fetch("Accept: text/html", "Connection: close")).toContain("for text/html");
  });
});

describe("requests sent ahead", () => {
  test("are answered in their order, however many; one that changes something takes its turn", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    let value = "first";
    const together: number[] = [];
    let underWay = 0;
    origin.serve("/many/", (request, response) => {
      underWay += 1;
      together.push(underWay);
      setImmediate(() => {
        underWay -= 1;
        response.writeHead(200, { "Cache-Control": "no-store" }).end(`<${request.url}>`);
      });
    });
    origin.serve("/value", (request, response) => {
      const answer = () => response.writeHead(200, { "Cache-Control": "no-store" }).end(`<${request.method} ${value}>`);
      if (request.method !== "PUT") return void answer();
      // Were the next not to wait, it would see the old value.
      setImmediate(() => {
        value = "second";
        answer();
      });
    });
    const host = `Host: 127.0.0.1:${origin.port}`;
    const paths = Array.from({ length: 300 }, (_, i) => `/many/${i}`);
    const gets = paths.map((path) => head(`GET ${origin.url}${path} HTTP/1.1`, host));
    const ordered = ["GET", "PUT", "GET"].map((method) =>
      head(`${method} ${origin.url}/value HTTP/1.1`, host, "Content-Length: 0"),
    );
    const last = head(`GET ${origin.url}/many/last HTTP/1.1`, host, "Connection: close");
    const answer = await sendRaw(larder.port, [...gets, ...ordered, last].join(""));
    const bodies = [...answer.matchAll(/<([^>]*)>/g)].map(([, body]) => body);
    expect(bodies).toEqual([...paths, "GET first", "PUT second", "GET second", "/many/last"]);
    expect(Math.max(...together)).toBeLessThanOrEqual(16);
  });
});
