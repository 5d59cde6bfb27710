import { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { TakenRoots } from "../../proxy/taken-roots.ts";
import type { Way } from "../../proxy/way.ts";

const wayOf = (clientAddress: string, session?: string): Way => ({
  connection: new Socket(),
  clientAddress,
  session,
  tunnel: undefined,
  refusal: undefined,
});
const [older, newer] = [digestOf("older"), digestOf("newer")];

describe("the roots that clients took", () => {
  test("are told of each client's own", () => {
    const taken = new TakenRoots();
    taken.note(wayOf("192.0.2.1"), "https://a.example/ dists/sid/", older);
    taken.note(wayOf("192.0.2.2"), "https://a.example/ dists/sid/", newer);
    expect(taken.preferenceOf(wayOf("192.0.2.1"))(older)).toBe(true);
    expect(taken.preferenceOf(wayOf("192.0.2.1"))(newer)).toBe(false);
    expect(taken.preferenceOf(wayOf("192.0.2.3"))(older)).toBe(false);
  });

  test("tell apart the sessions of one address", () => {
    const taken = new TakenRoots();
    taken.note(wayOf("127.0.0.1", "1"), "https://a.example/ ", older);
    expect(taken.preferenceOf(wayOf("127.0.0.1", "2"))(older)).toBe(false);
    expect(taken.preferenceOf(wayOf("127.0.0.1", "1"))(older)).toBe(true);
  });

  test("count only the last of a repository and scope", () => {
    const taken = new TakenRoots();
    const way = wayOf("192.0.2.1");
    taken.note(way, "https://a.example/ dists/sid/", older);
    taken.note(way, "https://a.example/ dists/trixie/", older);
    taken.note(way, "https://a.example/ dists/sid/", newer);
    expect(taken.preferenceOf(way)(newer)).toBe(true);
    taken.note(way, "https://a.example/ dists/trixie/", newer);
    expect(taken.preferenceOf(way)(older)).toBe(false);
  });

  test("of the client that was seen longest ago are forgotten first", () => {
    const taken = new TakenRoots();
    for (let i = 0; i <= 1_000; i += 1) taken.note(wayOf(`client ${i}`), "https://a.example/ ", older);
    expect(taken.preferenceOf(wayOf("client 0"))(older)).toBe(false);
    expect(taken.preferenceOf(wayOf("client 1"))(older)).toBe(true);
  });
});
