import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { describe, expect } from "vitest";
import { readToEnd, sendRaw } from "../../support/client.ts";
import { test } from "../workbench.ts";

const basic = (text: string) => `Proxy-Authorization: Basic ${Buffer.from(text).toString("base64")}`;
const head = (...lines: string[]) => `${lines.join("\r\n")}\r\n\r\n`;
const accounts = {
  hasUsers: true,
  signIn: (name: string, password: string) =>
    Promise.resolve(name === "büro" && password === "pass:word" ? "session-of-büro" : undefined),
};

describe("a client with a name and password", () => {
  test("comes in by the right ones: what it takes belongs to its session, and its password goes no further", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder({ accounts });
    origin.serve("/a", (_, response) => void response.end("a"));
    const host = `127.0.0.1:${origin.port}`;
    const request = head(`GET ${origin.url}/a HTTP/1.1`, `Host: ${host}`, "Connection: close", basic("büro:pass:word"));
    expect(await sendRaw(larder.port, request)).toMatch(/^HTTP\/1\.1 200 /);
    const inside = head("GET /a HTTP/1.1", `Host: ${host}`, "Connection: close");
    const connect = head(`CONNECT ${host} HTTP/1.1`, `Host: ${host}`, basic("büro:pass:word"));
    expect(await sendRaw(larder.port, connect + inside)).toMatch(/^HTTP\/1\.1 200 .*HTTP\/1\.1 200 /s);
    await larder.logged("exchange", 2);
    expect(larder.events.map(({ session }) => session)).toEqual(["session-of-büro", "session-of-büro"]);
    expect(origin.takeRequests()[0]?.headers).not.toHaveProperty("proxy-authorization");
    expect(JSON.stringify(larder.log)).not.toContain("word");
  });

  test.for([
    ["a wrong password", basic("büro:word")],
    ["a name that nobody has", basic("someone:pass:word")],
    ["another scheme", "Proxy-Authorization: Digest x"],
    ["what is no base64", "Proxy-Authorization: Basic ***"],
  ])("is challenged for %s, and may try again on the same connection", async ([, wrong], { origin, startLarder }) => {
    const larder = await startLarder({ accounts });
    origin.serve("/a", (_, response) => void response.end("a"));
    const host = `127.0.0.1:${origin.port}`;
    const ask = (field: string, ...more: string[]) =>
      head(`GET ${origin.url}/a HTTP/1.1`, `Host: ${host}`, field, ...more);
    const answers = await sendRaw(
      larder.port,
      ask(wrong as string) + ask(basic("büro:pass:word"), "Connection: close"),
    );
    expect(answers).toMatch(
      /^HTTP\/1\.1 407 .*proxy-authenticate: Basic realm="larder", charset="UTF-8"\r\n.*PROXY_AUTH_REQUIRED/is,
    );
    expect(answers.match(/^HTTP\/1\.1 \d+/gm)).toEqual(["HTTP/1.1 407", "HTTP/1.1 200"]);
    const tunnel = await sendRaw(larder.port, head(`CONNECT ${host} HTTP/1.1`, `Host: ${host}`, wrong as string));
    expect(tunnel).toMatch(/^HTTP\/1\.1 407 .*proxy-authenticate: Basic realm="larder"/is);
    expect(origin.takeRequests()).toHaveLength(1);
  });
});

describe("inside a tunnel that a user has opened", () => {
  test("nobody is asked for a password again, and what is said there is the origin's", async ({
    authority,
    secureOrigin,
    startLarder,
  }) => {
    const larder = await startLarder({ accounts, settings: { originRoots: authority.caPem } });
    secureOrigin.serve("/a", (_, response) => void response.end("a"));
    const { host } = new URL(secureOrigin.url);
    const socket = net.connect(larder.port, "127.0.0.1");
    socket.write(head(`CONNECT ${host} HTTP/1.1`, `Host: ${host}`, basic("büro:pass:word")));
    await once(socket, "data");
    const secure = tls.connect({ socket, servername: "localhost", ca: larder.ca });
    await once(secure, "secureConnect");
    const wrong = head("GET /a HTTP/1.1", `Host: ${host}`, basic("büro:wrong"));
    secure.write(wrong + head("GET /a HTTP/1.1", `Host: ${host}`, "Connection: close"));
    const answers = await readToEnd(secure);
    expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"]);
    await larder.logged("exchange", 2);
    expect(larder.events.map(({ session }) => session)).toEqual(["session-of-büro", "session-of-büro"]);
    for (const { headers } of secureOrigin.takeRequests()) expect(headers).not.toHaveProperty("proxy-authorization");
  });
});

describe("a proxy before larder", () => {
  test("that is trusted tells whom it asks for; what others write there is not believed", async ({
    origin,
    startLarder,
  }) => {
    origin.serve("/a", (_, response) => void response.end("a"));
    const addressIn = async (trustedProxies: string[], field: string) => {
      const larder = await startLarder({ settings: { trustedProxies } });
      await sendRaw(
        larder.port,
        head(`GET ${origin.url}/a HTTP/1.1`, "Host: x", "Connection: close", `Forwarded: ${field}`),
      );
      return (await larder.logged("exchange")).facts["client"];
    };
    expect(await addressIn(["127.0.0.1"], "for=203.0.113.9, for=192.0.2.7;proto=http")).toBe("192.0.2.7");
    expect(await addressIn(["127.0.0.1"], 'for="[2001:db8::1]:4711"')).toBe("2001:db8::1");
    expect(await addressIn(["127.0.0.1"], "for=unknown")).toBe("127.0.0.1");
    expect(await addressIn(["192.0.2.0/24"], "for=192.0.2.7")).toBe("127.0.0.1");
  });
});
