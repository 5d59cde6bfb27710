import { describe, expect, test } from "vitest";
import { networkOf } from "../../clients/container-network.ts";
import { commandOf, type EngineCall, optionOf, readEngineCall, withoutOption } from "../../clients/engine-call.ts";

function read(line: string): EngineCall {
  const call = readEngineCall(line.split(" "));
  if (call === undefined) throw new Error(`not taken for an engine's: ${line}`);
  return call;
}

const ROOTFUL = { isRootless: false, rootlessNetwork: "slirp4netns" } as const;
const ROOTLESS = { isRootless: true, rootlessNetwork: "pasta" } as const;

describe("an engine's command line", () => {
  test.for([
    ["podman build .", "podman", "build"],
    ["/usr/bin/podman --root /r --log-level=debug build -t x .", "podman", "build"],
    ["podman image build .", "podman", "build"],
    ["podman --syslog container run --rm alpine true", "podman", "run"],
    ["buildah --root /r bud .", "buildah", "build"],
    ["buildah build-using-dockerfile .", "buildah", "build"],
    ["docker buildx build .", "docker", "build"],
  ] as const)("%s is taken apart, and joined again", ([line, engine, action]) => {
    const call = read(line);
    expect(call).toMatchObject({ engine, action });
    expect(commandOf(call, []).join(" ")).toBe(line);
  });

  test.for(["npm install", "podman ps", "podman image ls", "buildah run c sh", "docker run alpine", "podman"])(
    "%s is none that builds or runs",
    (line) => expect(readEngineCall(line.split(" "))).toBeUndefined(),
  );

  test("gets more options right behind its verb", () => {
    expect(commandOf(read("podman --root /r image build -t x ."), ["--runtime=/shim"]).join(" ")).toBe(
      "podman --root /r image build --runtime=/shim -t x .",
    );
  });

  test("has an option by any of its spellings; the last counts, and what follows -- does not", () => {
    expect(optionOf(read("podman --runtime crun build --runtime=runc ."), "--runtime")).toBe("runc");
    expect(optionOf(read("podman build -f A --file=B ."), "--file", "-f")).toBe("B");
    expect(optionOf(read("podman run alpine -- --network host"), "--network")).toBeUndefined();
  });

  test("loses an option wherever it stands", () => {
    const call = withoutOption(read("podman --runtime crun build --runtime=runc -t x ."), "--runtime");
    expect(commandOf(call, []).join(" ")).toBe("podman build -t x .");
  });
});

describe("the network of a call", () => {
  test.for([
    ["podman build --network=host .", ROOTLESS, { kind: "host" }],
    ["podman run --net none alpine", ROOTFUL, { kind: "none" }],
    ["podman build .", ROOTFUL, { kind: "bridge", name: "podman" }],
    ["podman build --network=mine .", ROOTFUL, { kind: "bridge", name: "mine" }],
    ["podman build --network=mine .", ROOTLESS, { kind: "unknown", name: "mine" }],
    ["podman build .", ROOTLESS, { kind: "pasta", options: "" }],
    ["podman build --network=pasta:-4 .", ROOTLESS, { kind: "pasta", options: "-4" }],
    ["podman build .", { ...ROOTLESS, rootlessNetwork: "slirp4netns" }, { kind: "slirp4netns" }],
    ["docker build .", ROOTFUL, { kind: "bridge", name: "bridge" }],
  ] as const)("%s", ([line, defaults, expected]) => {
    expect(networkOf(read(line), defaults)).toEqual(expected);
  });
});
