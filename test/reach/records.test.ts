import { describe, expect, test } from "vitest";
import type { Answer } from "../../reach/local-link/links.ts";
import { contradicts, givesWay, recordsOf, replyTo } from "../../reach/local-link/records.ts";

const announced = {
  machine: "build.host",
  services: [{ type: "_larder._tcp", text: [] }],
  port: 3142,
  addresses: [{ address: "192.0.2.1", family: 4 }],
};
const ours = recordsOf(announced, 1);
const INSTANCE = "larder on build-host._larder._tcp.local";
const nobody = () => false;

describe("what is announced", () => {
  test("is a list of services, the place and text of each, and the addresses of its host", () => {
    expect(ours.map(({ name, type }) => `${type} ${name}`)).toEqual([
      "A larder.local",
      "PTR _services._dns-sd._udp.local",
      "PTR _larder._tcp.local",
      `SRV ${INSTANCE}`,
      `TXT ${INSTANCE}`,
    ]);
  });

  test("has names that fit, however the machine is called, and others for the second of its kind", () => {
    const second = recordsOf({ ...announced, machine: "m".repeat(64) }, 2);
    const names = second.filter(({ type }) => type !== "PTR").map(({ name }) => name);
    expect(names).toContain("larder-2.local");
    for (const name of names) for (const label of name.split(".")) expect(label.length).toBeLessThan(64);
  });
});

describe("an answer", () => {
  test("to who looks for services brings along what it will ask for next", () => {
    const reply = replyTo([{ name: "_LARDER._tcp.local", type: "PTR" }], ours, []);
    expect(reply?.answers.map(({ type }) => type)).toEqual(["PTR"]);
    expect(reply?.additionals.map(({ type }) => type)).toEqual(["A", "SRV", "TXT"]);
  });

  test("is not given to who knows it already (RFC 6762 §7.1), nor for other names and types", () => {
    expect(replyTo([{ name: "_larder._tcp.local", type: "PTR" }], ours, ours)).toBeUndefined();
    expect(replyTo([{ name: "other.local", type: "A" }], ours, [])).toBeUndefined();
    expect(replyTo([{ name: "larder.local", type: "AAAA" }], ours, [])).toBeUndefined();
  });
});

describe("somebody else's record", () => {
  const address = (data: string): Answer => ({ name: "Larder.local.", type: "A", data });
  const place = (port: number): Answer => ({ name: INSTANCE, type: "SRV", data: { target: "larder.local", port } });

  test.each([
    ["another address of the name", address("192.0.2.9"), true],
    ["the same address", address("192.0.2.1"), false],
    ["another place of the service", place(80), true],
    ["the same place", place(3142), false],
    ["one of a list that many may be in", { name: "_larder._tcp.local", type: "PTR", data: "x" } as Answer, false],
    ["something of another name", { name: "other.local", type: "A", data: "192.0.2.9" } as Answer, false],
  ])("that says %s contradicts: %s", (_title, record, isContradiction) => {
    expect(contradicts(record, ours, nobody)).toBe(isContradiction);
  });

  test("does not contradict when it is this machine's own, heard on another of its links", () => {
    expect(contradicts(address("192.0.2.9"), ours, (text) => text === "192.0.2.9")).toBe(false);
  });

  test("at the same moment makes one of the two give way, and only one (RFC 6762 §8.2)", () => {
    const theirs = recordsOf({ ...announced, addresses: [{ address: "192.0.2.9", family: 4 }] }, 1);
    const [mine, others] = [ours, theirs].map((records) => records.filter(({ type }) => type !== "PTR"));
    expect(givesWay(ours, others ?? [])).not.toBe(givesWay(theirs, mine ?? []));
    expect(givesWay(ours, mine ?? [])).toBe(false);
  });
});
