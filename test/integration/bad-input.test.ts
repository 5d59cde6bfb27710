import { once } from "node:events";
import { readFile } from "node:fs/promises";
import tls from "node:tls";
import { describe, expect } from "vitest";
import { openTunnel, readToEnd, sendRaw } from "../support/client.ts";
import { test } from "../support/fixtures.ts";

const lines = (...all: string[]) => all.map((line) => `${line}\r\n`).join("");
const CLOSE = "Connection: close";
const SOME_HOST = "Host: origin.larder.test";

/** What a client may send that is no request for an origin, and the answer that names what is wrong with it. */
const BAD_REQUESTS: readonly {
  readonly title: string;
  readonly sent: string;
  readonly status: number;
  readonly code: string;
}[] = [
  {
    title: "a request line that is none (RFC 9112 §3)",
    sent: lines("what is this", ""),
    status: 400,
    code: "BAD_REQUEST",
  },
  {
    title: "a field line without a colon (RFC 9112 §5)",
    sent: lines("GET http://origin.larder.test/ HTTP/1.1", "no colon here", ""),
    status: 400,
    code: "BAD_REQUEST",
  },
  {
    title: "an unknown scheme",
    sent: lines("GET gopher://origin.larder.test/ HTTP/1.1", SOME_HOST, CLOSE, ""),
    status: 400,
    code: "UNKNOWN_SCHEME",
  },
  {
    title: "user information in the target (RFC 9110 §4.2.4)",
    sent: lines("GET http://name:secret@origin.larder.test/ HTTP/1.1", SOME_HOST, CLOSE, ""),
    status: 400,
    code: "USERINFO_IN_TARGET",
  },
  {
    title: "a host that is none",
    sent: lines("GET http://256.1.2/ HTTP/1.1", SOME_HOST, CLOSE, ""),
    status: 400,
    code: "BAD_TARGET",
  },
  {
    title: "CONNECT with content",
    sent: lines("CONNECT origin.larder.test:443 HTTP/1.1", SOME_HOST, "Content-Length: 3", "", "abc"),
    status: 400,
    code: "FRAMING_AMBIGUOUS",
  },
  {
    title: "CONNECT without a port (RFC 9110 §9.3.6)",
    sent: lines("CONNECT origin.larder.test HTTP/1.1", SOME_HOST, CLOSE, ""),
    status: 400,
    code: "CONNECT_NEEDS_PORT",
  },
  {
    title: "CONNECT to a database's port",
    sent: lines("CONNECT origin.larder.test:5432 HTTP/1.1", SOME_HOST, CLOSE, ""),
    status: 403,
    code: "PORT_NOT_ALLOWED",
  },
  {
    title: "a target whose port is a database's",
    sent: lines("GET http://origin.larder.test:5432/ HTTP/1.1", SOME_HOST, CLOSE, ""),
    status: 403,
    code: "PORT_NOT_ALLOWED",
  },
  {
    title: "a link-local target",
    sent: lines("GET http://169.254.169.254/latest/ HTTP/1.1", "Host: 169.254.169.254", CLOSE, ""),
    status: 403,
    code: "DESTINATION_NOT_ALLOWED",
  },
  {
    title: "two Content-Length fields that differ (RFC 9112 §6.3)",
    sent: lines(
      "POST http://origin.larder.test/ HTTP/1.1",
      SOME_HOST,
      "Content-Length: 1",
      "Content-Length: 2",
      "",
      "ab",
    ),
    status: 400,
    code: "FRAMING_AMBIGUOUS",
  },
  {
    title: "a Content-Length that is no number",
    sent: lines("POST http://origin.larder.test/ HTTP/1.1", SOME_HOST, "Content-Length: 1x", "", "a"),
    status: 400,
    code: "FRAMING_AMBIGUOUS",
  },
  {
    title: "Content-Length with Transfer-Encoding (RFC 9112 §6.1)",
    sent: lines(
      "POST http://origin.larder.test/ HTTP/1.1",
      SOME_HOST,
      "Content-Length: 3",
      "Transfer-Encoding: chunked",
      "",
      "0",
      "",
    ),
    status: 400,
    code: "FRAMING_AMBIGUOUS",
  },
];

describe("bad input", () => {
  test.for(BAD_REQUESTS.map((row) => [row.title, row.status, row.code, row.sent] as const))(
    "%s is answered %i %s and the connection closed",
    async ([, status, code, sent], { larder }) => {
      expectRefusal(await sendRaw(larder.port, sent), { status, code });
    },
  );

  test("a target that is larder itself is answered TARGET_IS_PROXY", async ({ larder }) => {
    const own = `127.0.0.1:${larder.port}`;
    const request = lines(`GET http://${own}/ HTTP/1.1`, `Host: ${own}`, CLOSE, "");
    expectRefusal(await sendRaw(larder.port, request), { status: 508, code: "TARGET_IS_PROXY" });

    expectRefusal(await sendRaw(larder.port, lines(`CONNECT ${own} HTTP/1.1`, `Host: ${own}`, "")), {
      status: 508,
      code: "TARGET_IS_PROXY",
    });
  });

  test("a query that was not understood is not written down: it may hold a signature", async ({ larder }) => {
    for (const target of ["nothing?token=secret", "http://256.1.2/?token=secret"])
      await sendRaw(larder.port, lines(`GET ${target} HTTP/1.1`, SOME_HOST, CLOSE, ""));
    await sendRaw(larder.port, lines("CONNECT nowhere?token=secret HTTP/1.1", SOME_HOST, ""));
    await expect.poll(() => larder.logged("tunnel")).toContainEqual(expect.objectContaining({ target: "nowhere?…" }));
    expect(JSON.stringify(larder.log)).not.toContain("secret");
  });

  test("the environment cannot switch the verification of origins off", async ({
    startLarder,
    startOrigin,
    authority,
  }) => {
    const larder = await startLarder({ env: { NODE_TLS_REJECT_UNAUTHORIZED: "0" } });
    const origin = await startOrigin({ tls: authority.certificate("self-signed"), name: "localhost" });
    for (const method of ["GET", "DELETE"]) {
      const host = `localhost:${origin.port}`;
      const answer = await sendRaw(
        larder.port,
        lines(`${method} https://${host}/ HTTP/1.1`, `Host: ${host}`, CLOSE, ""),
      );
      expectRefusal(answer, { status: 502, code: "ORIGIN_CERTIFICATE" });
    }
    expect(origin.takeRequests()).toEqual([]);
  });

  test("a server name that differs from the CONNECT name is answered 421", async ({ larder, caFile, secureOrigin }) => {
    const socket = await openTunnel(larder.port, `localhost:${secureOrigin.port}`);
    const servername = "elsewhere.larder.test";
    const secure = tls.connect({ socket, servername, ca: await readFile(caFile, "utf8") });
    await once(secure, "secureConnect");
    secure.write(lines("GET / HTTP/1.1", `Host: ${servername}`, CLOSE, ""));
    expectRefusal(await readToEnd(secure), { status: 421, code: "NAME_MISMATCH" });
    expect(secureOrigin.takeRequests()).toEqual([]);
  });

  test("nothing of it ends larder: the next request is answered", async ({ larder }) => {
    for (const { sent } of BAD_REQUESTS) await sendRaw(larder.port, sent);
    const request = lines("GET /healthz HTTP/1.1", `Host: 127.0.0.1:${larder.port}`, CLOSE, "");
    expect(await sendRaw(larder.port, request)).toMatch(/^HTTP\/1\.1 200 /);
  });
});

function expectRefusal(answer: string, { status, code }: { readonly status: number; readonly code: string }): void {
  const [head = "", body = ""] = answer.split("\r\n\r\n", 2);
  expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(head).toMatch(/^content-type: text\/plain/im);
  expect(body).toContain(code);
}
