import { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { TakenRoots } from "../../../proxy/declared/taken-roots.ts";
import type { Way } from "../../../proxy/request/way.ts";
import type { TakenRoot, TakenRootLog } from "../../../storage/declarations.ts";

const wayOf = (clientAddress: string, session?: string): Way => ({
  connection: new Socket(),
  clientAddress,
  session,
  tunnel: undefined,
  refusal: undefined,
});
/** In memory, as the index keeps them on disk. */
function logOf(taken: TakenRoot[] = []): TakenRootLog {
  return { note: (one) => void taken.push(one), all: () => taken };
}
const takenRoots = (log = logOf()) => new TakenRoots({ takenRoots: log, clock: () => 0 });
const [older, newer] = [digestOf("older"), digestOf("newer")];

describe("the roots that clients took", () => {
  test("are told of each client's own", () => {
    const taken = takenRoots();
    taken.note(wayOf("192.0.2.1"), { base: "https://a.example/", scope: "dists/sid/" }, older);
    taken.note(wayOf("192.0.2.2"), { base: "https://a.example/", scope: "dists/sid/" }, newer);
    expect(taken.preferenceOf(wayOf("192.0.2.1"))(older)).toBe(true);
    expect(taken.preferenceOf(wayOf("192.0.2.1"))(newer)).toBe(false);
    expect(taken.preferenceOf(wayOf("192.0.2.3"))(older)).toBe(false);
  });

  test("tell apart the sessions of one address", () => {
    const taken = takenRoots();
    taken.note(wayOf("127.0.0.1", "1"), { base: "https://a.example/", scope: "" }, older);
    expect(taken.preferenceOf(wayOf("127.0.0.1", "2"))(older)).toBe(false);
    expect(taken.preferenceOf(wayOf("127.0.0.1", "1"))(older)).toBe(true);
  });

  test("count only the last of a repository and scope", () => {
    const taken = takenRoots();
    const way = wayOf("192.0.2.1");
    taken.note(way, { base: "https://a.example/", scope: "dists/sid/" }, older);
    taken.note(way, { base: "https://a.example/", scope: "dists/trixie/" }, older);
    taken.note(way, { base: "https://a.example/", scope: "dists/sid/" }, newer);
    expect(taken.preferenceOf(way)(newer)).toBe(true);
    taken.note(way, { base: "https://a.example/", scope: "dists/trixie/" }, newer);
    expect(taken.preferenceOf(way)(older)).toBe(false);
  });

  test("of the client that was seen longest ago are forgotten first", () => {
    const taken = takenRoots();
    for (let i = 0; i <= 1_000; i += 1)
      taken.note(wayOf(`client ${i}`), { base: "https://a.example/", scope: "" }, older);
    expect(taken.preferenceOf(wayOf("client 0"))(older)).toBe(false);
    expect(taken.preferenceOf(wayOf("client 1"))(older)).toBe(true);
  });

  test("outlive a restart, but for those of sessions, which do not", () => {
    const log = logOf();
    const before = takenRoots(log);
    before.note(wayOf("192.0.2.1"), { base: "https://a.example/", scope: "" }, older);
    before.note(wayOf("192.0.2.1"), { base: "https://a.example/", scope: "" }, newer);
    before.note(wayOf("192.0.2.1", "7"), { base: "https://a.example/", scope: "" }, older);
    const after = takenRoots(log);
    expect(after.preferenceOf(wayOf("192.0.2.1"))(newer)).toBe(true);
    expect(after.preferenceOf(wayOf("192.0.2.1"))(older)).toBe(false);
    expect(after.preferenceOf(wayOf("192.0.2.1", "7"))(older)).toBe(false);
  });
});
