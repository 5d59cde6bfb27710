import { once } from "node:events";
import type { Socket } from "node:net";
import { describe, expect } from "vitest";
import { openTunnel, sendRaw } from "../../support/client.ts";
import { listenWith } from "../../support/listen.ts";
import { test } from "../workbench.ts";

describe("a client that leaves", () => {
  test.for([
    ["before it says anything", ""],
    ["in mid-ClientHello", "\x16\x03\x01\x02\x00\x01"],
    ["in mid-request", "GET /hello HT"],
  ])("%s takes its connection along", async ([, said], { origin, startLarder }) => {
    const larder = await startLarder();
    const tunnel = await openTunnel(larder.port, `127.0.0.1:${origin.port}`);
    if (said !== "") tunnel.write(said as string, "latin1");
    const gone = once(tunnel.resume(), "close");
    tunnel.end();
    await gone;
    expect(origin.takeRequests()).toEqual([]);
  });

  test("while its blind tunnel is being opened leaves no connection to the origin behind", async ({ startLarder }) => {
    let ask: (tunnel: Socket) => void = () => undefined;
    const asked = new Promise<Socket>((resolve) => {
      ask = resolve;
    });
    const parent = await listenWith((socket) => void socket.once("data", () => ask(socket)));
    const parents = { http: undefined, https: `http://127.0.0.1:${parent.port}`, noProxy: "", rules: [] };
    const larder = await startLarder({ settings: { tunnel: ["*"], parentProxies: parents } });
    const answer = sendRaw(larder.port, "CONNECT far.larder.test:443 HTTP/1.1\r\nHost: far.larder.test:443\r\n\r\n");
    const tunnel = await asked;
    await larder.proxy.close({ drainMs: 0 });
    tunnel.write("HTTP/1.1 200 OK\r\n\r\n");
    expect((await once(tunnel, "error"))[0]).toMatchObject({ code: "ECONNRESET" });
    expect(await answer).toBe("");
    parent.close();
  });
});

describe("a CONNECT that is refused", () => {
  test.for([
    ["a port that is closed", "127.0.0.1:22", 403, "PORT_NOT_ALLOWED"],
    ["a link-local address", "169.254.169.254:80", 403, "DESTINATION_NOT_ALLOWED"],
    ["no port", "127.0.0.1", 400, "CONNECT_NEEDS_PORT"],
    ["a password", "me:secret@127.0.0.1:443", 400, "USERINFO_IN_TARGET"],
  ] as const)(
    "for %s is answered with its code, and nothing secret is written down",
    async ([, target, status, code], { startLarder }) => {
      const larder = await startLarder();
      const answer = await sendRaw(larder.port, `CONNECT ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .*${code}`, "s"));
      expect(JSON.stringify(larder.log)).not.toContain("secret");
      expect((await larder.logged("tunnel")).facts).toMatchObject({ code });
    },
  );

  test("because its blind tunnel cannot be opened is told so before it is established", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder({ settings: { tunnel: ["127.0.0.1"] } });
    await origin.stop();
    const answer = await sendRaw(larder.port, `CONNECT 127.0.0.1:${origin.port} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 502 .*ORIGIN_REFUSED/s);
  });

  test("by the parent proxy is answered PARENT_PROXY, and the parent's connection is let go", async ({
    startLarder,
  }) => {
    let ended: () => void = () => undefined;
    const isEnded = new Promise<void>((resolve) => {
      ended = resolve;
    });
    const parent = await listenWith((socket) => {
      socket.once("end", () => socket.end(ended));
      socket.once("data", () => socket.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"));
    });
    const url = `http://127.0.0.1:${parent.port}`;
    const larder = await startLarder({
      settings: { tunnel: ["*"], parentProxies: { http: undefined, https: url, noProxy: "", rules: [] } },
    });
    const answer = await sendRaw(larder.port, "CONNECT far.larder.test:443 HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 502 .*PARENT_PROXY/s);
    await isEnded;
    parent.close();
  });
});
