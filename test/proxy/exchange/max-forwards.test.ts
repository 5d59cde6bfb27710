import { describe, expect } from "vitest";
import { sendRaw } from "../../support/client.ts";
import { test } from "../workbench.ts";

const ask = (method: string, url: string, ...fields: string[]) =>
  `${[`${method} ${url} HTTP/1.1`, `Host: ${new URL(url).host}`, "Connection: close", ...fields].join("\r\n")}\r\n\r\n`;

describe("Max-Forwards (RFC 9110 §7.6.2)", () => {
  test.for([
    ["OPTIONS", "2", "1"],
    ["TRACE", "1", "0"],
    ["OPTIONS", "many", "many"],
    ["DELETE", "0", "0"],
  ] as const)("of %s with %s goes on as %s", async ([method, came, gone], { origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/a", (_, response) => void response.end("a"));
    const got = await sendRaw(larder.port, ask(method, `${origin.url}/a`, `Max-Forwards: ${came}`));
    expect(got).toMatch(/^HTTP\/1\.1 200 /);
    expect(origin.takeRequests().map(({ headers }) => headers["max-forwards"])).toEqual([gone]);
  });

  test.for([
    ["OPTIONS", /^HTTP\/1\.1 204 /],
    ["TRACE", /^HTTP\/1\.1 405 .*METHOD_NOT_ALLOWED/s],
  ] as const)("of %s with 0 is answered here", async ([method, answer], { origin, startLarder }) => {
    const larder = await startLarder();
    expect(await sendRaw(larder.port, ask(method, `${origin.url}/a`, "Max-Forwards: 0"))).toMatch(answer);
    expect(origin.takeRequests()).toEqual([]);
  });
});

describe("an expectation that is not 100-continue (RFC 9110 §10.1.1)", () => {
  test("is refused by nobody but the origin, and logged like any other request", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/a", (_, response) => void response.end("a"));
    const got = await sendRaw(larder.port, ask("GET", `${origin.url}/a`, "Expect: 200-ok"));
    expect(got).toMatch(/^HTTP\/1\.1 200 /);
    await larder.logged("exchange");
  });
});
