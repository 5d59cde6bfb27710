import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import net, { type AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { describe, expect } from "vitest";
import { readToEnd } from "../../support/client.ts";
import { noise } from "../../support/noise.ts";
import { runProgram } from "../../support/programs.ts";
import { test as base } from "../workbench.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

const CONTENT = noise("upload", 10_000_000);
const take: Handler = async (request, response) => {
  const { length } = await buffer(request);
  response.end(`took ${length}`);
};

const test = base
  /** An origin that is asked for leave. @returns its `host:port` */
  .extend("startAsked", async ({ task: _ }, { onCleanup }) => {
    const servers: http.Server[] = [];
    onCleanup(() => {
      for (const server of servers) server.close().closeAllConnections();
    });
    return async (onExpectation: Handler, onRequest: Handler = take): Promise<string> => {
      const server = http
        .createServer((...asked) => void onRequest(...asked))
        .on("checkContinue", (...asked) => void onExpectation(...asked))
        .listen(0, "127.0.0.1");
      servers.push(server);
      await once(server, "listening");
      return `127.0.0.1:${(server.address() as AddressInfo).port}`;
    };
  })
  /** Uploads 10 MB by curl. @returns the last status, and how many bytes of the content went out */
  .extend("upload", ({ folder }) => async (port: number, url: string) => {
    const file = join(folder, "content");
    await writeFile(file, CONTENT);
    const options = ["-q", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}", "--expect100-timeout", "60"];
    const proxy = ["--proxy", `http://127.0.0.1:${port}`, "--noproxy", ""];
    const { stdout, stderr } = await runProgram("curl", [...options, ...proxy, "-T", file, url], { cwd: folder });
    return `${stdout}${stderr}`;
  });

const head = (method: string, url: string, ...fields: string[]) =>
  [`${method} ${url} HTTP/1.1`, `Host: ${new URL(url).host}`, ...fields, "", ""].join("\r\n");

describe("a client that waits for leave to send its content (RFC 9110 §10.1.1)", () => {
  test("gets the origin's, then sends all of it", async ({ startAsked, startLarder, upload }) => {
    const larder = await startLarder();
    const host = await startAsked((request, response) => {
      response.writeContinue();
      return take(request, response);
    });
    expect(await upload(larder.port, `http://${host}/file`)).toBe(`200 ${CONTENT.length}`);
  });

  test.for([401, 417])(
    "is refused by the origin with %i before it has sent any",
    async (status, { startAsked, startLarder, upload }) => {
      const larder = await startLarder();
      const host = await startAsked((_, response) => void response.writeHead(status, { Connection: "close" }).end());
      expect(await upload(larder.port, `http://${host}/file`)).toBe(`${status} 0`);
    },
  );

  test("is let send when the origin says nothing, and goes on with its connection", async ({
    startAsked,
    startLarder,
  }) => {
    const larder = await startLarder();
    const host = await startAsked(take);
    const socket = net.connect(larder.port, "127.0.0.1");
    const fields = ["Content-Length: 5", "Expect: 100-continue"];
    socket.write(head("PUT", `http://${host}/file`, ...fields));
    expect(String((await once(socket, "data"))[0])).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    socket.write("hello");
    expect(String((await once(socket, "data"))[0])).toMatch(/^HTTP\/1\.1 200 .*took 5/s);
    socket.write(head("PUT", `http://${host}/file`, "Content-Length: 0", "Connection: close"));
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 200 .*took 0/s);
  });

  test("may begin without it", async ({ startAsked, startLarder }) => {
    const larder = await startLarder();
    const host = await startAsked(take);
    const socket = net.connect(larder.port, "127.0.0.1");
    const fields = ["Content-Length: 5", "Expect: 100-continue"];
    socket.write(`${head("PUT", `http://${host}/file`, ...fields)}hello`);
    const answer = await readToEnd(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 200 .*Connection: close.*took 5/s);
  });

  test("hears of what larder refuses at once, and its connection ends", async ({ startLarder }) => {
    const larder = await startLarder();
    const socket = net.connect(larder.port, "127.0.0.1");
    socket.write(head("PUT", "http://127.0.0.1:22/file", "Content-Length: 5", "Expect: 100-continue"));
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 403 .*Connection: close.*PORT_NOT_ALLOWED/s);
  });
});
