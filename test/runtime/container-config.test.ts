import { describe, expect, test } from "vitest";
import {
  type ContainerConfig,
  extendConfig,
  hasOwnDev,
  parseConfig,
  printConfig,
} from "../../runtime/container-config.ts";

const DEV = { destination: "/dev", type: "tmpfs" };

function config(env: readonly string[]): ContainerConfig {
  return { root: { path: "/rootfs" }, process: { env }, mounts: [DEV] };
}

describe("the configuration of a container", () => {
  test("keeps every number, also those that JavaScript would round", () => {
    const text =
      '{"root":{"path":"/r"},"process":{"rlimits":[{"hard":18446744073709551615,"soft":-9223372036854775808}],"args":["a:12345678901234567","\\":12345678901234567"],"n":1.2345678901234567}}';
    expect(printConfig(parseConfig(text))).toBe(text);
  });

  test("is refused when it names no root", () => {
    expect(() => parseConfig('{"process":{}}')).toThrow("no root");
    expect(() => parseConfig("{")).toThrow();
  });

  test("gets the variables that it lacks, and keeps its own", () => {
    const variables = { http_proxy: "http://127.0.0.1:1", PIP_CERT: "/dev/larder/bundle.pem" };
    const own = config(["PATH=/bin", "PIP_CERT=/mine.pem"]);
    expect(extendConfig(own, { variables, aptConf: "" }, { handedOn: {}, mounts: [] }).process.env).toEqual([
      "PATH=/bin",
      "PIP_CERT=/mine.pem",
      "http_proxy=http://127.0.0.1:1",
    ]);
  });

  test("gets the address that its own network has in place of the one that the engine hands on", () => {
    const network = { variables: { http_proxy: "http://10.88.0.1:1" }, aptConf: "" };
    const handedOn = { http_proxy: "http://127.0.0.1:1" };
    const extended = (env: string) => extendConfig(config([env]), network, { handedOn, mounts: [] }).process.env;
    expect(extended("http_proxy=http://127.0.0.1:1")).toEqual(["http_proxy=http://10.88.0.1:1"]);
    expect(extended("http_proxy=http://mine:1")).toEqual(["http_proxy=http://mine:1"]);
  });

  test("has a /dev of its own only when that is a tmpfs", () => {
    expect(hasOwnDev(config([]))).toBe(true);
    expect(hasOwnDev({ ...config([]), mounts: [{ destination: "/dev", type: "bind" }] })).toBe(false);
  });
});
