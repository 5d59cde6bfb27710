import { describe, expect, test } from "vitest";
import { proxyVariables, TRUST_VARIABLES, trustVariables } from "../../clients/environment.ts";

const proxyUrl = "http://127.0.0.1:3142";
const files = { bundleFile: "/some/bundle.pem", caFile: "/some/ca.pem" };

describe("the proxy variables", () => {
  test("come in both cases, for clients that look at one only", () => {
    const variables = proxyVariables({ proxyUrl });
    for (const name of ["http_proxy", "https_proxy", "no_proxy"])
      expect(variables[name.toUpperCase()], name).toBe(variables[name]);
    expect([variables["http_proxy"], variables["https_proxy"]]).toEqual([proxyUrl, proxyUrl]);
  });

  test("keep loopback and the container's host out of the proxy", () => {
    expect(proxyVariables({ proxyUrl })["no_proxy"]).toBe("localhost,127.0.0.1,::1,host.containers.internal");
  });

  test("add what the user wants reached directly, each name once", () => {
    const { no_proxy } = proxyVariables({ proxyUrl, noProxy: " .corp.example, 10.0.0.0/8,,localhost" });
    expect(no_proxy).toBe("localhost,127.0.0.1,::1,host.containers.internal,.corp.example,10.0.0.0/8");
  });

  test("make newer Node read them", () => {
    expect(proxyVariables({ proxyUrl })["NODE_USE_ENV_PROXY"]).toBe("1");
  });
});

describe("the trust variables", () => {
  test("name every client's own knob once", () => {
    const names = TRUST_VARIABLES.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(Object.keys(trustVariables(files))).toEqual(names);
    expect(names).toEqual(
      expect.arrayContaining(["SSL_CERT_FILE", "PIP_CERT", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO", "NIX_SSL_CERT_FILE"]),
    );
  });

  test("hand the whole bundle to clients whose roots they replace, and the CA to those that add it to theirs", () => {
    const { NODE_EXTRA_CA_CERTS, DENO_CERT, ...replacing } = trustVariables(files);
    expect([NODE_EXTRA_CA_CERTS, DENO_CERT]).toEqual([files.caFile, files.caFile]);
    expect(new Set(Object.values(replacing))).toEqual(new Set([files.bundleFile]));
  });
});
