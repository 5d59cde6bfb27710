import { randomInt } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { ResourceClass } from "../../../core/entry.ts";
import { setUpWorkbench } from "../workbench.ts";
import { type Action, BODIES, StoreModel } from "./model.ts";

/** Commands know nothing of the model but what they do to it: {@link StoreModel} holds what must be true. */
class Command implements fc.AsyncCommand<object, StoreModel> {
  readonly #text: string;
  readonly #work: (model: StoreModel) => Promise<void>;

  constructor(text: string, work: (model: StoreModel) => Promise<void>) {
    this.#text = text;
    this.#work = work;
  }

  check(): boolean {
    return true;
  }

  async run(_: object, model: StoreModel): Promise<void> {
    await this.#work(model);
  }

  toString(): string {
    return this.#text;
  }
}

const uri = fc.nat(5);
const body = fc.nat(BODIES.length - 1);
const kind = fc.constantFrom<ResourceClass[]>("payload", "root", "member", "other");
const share = fc.double({ min: 0, max: 0.99, noNaN: true });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("commit" as const), uri, body, class: kind }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("abort" as const), uri, body, class: kind }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("remove" as const, "freshen"), uri }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("read" as const), uri, body, part: fc.tuple(share, share) }) },
);
const actions = fc.uniqueArray(action, { selector: (each) => each.uri, minLength: 1, maxLength: 4 });

function named<T>(name: string, given: fc.Arbitrary<T>, work: (model: StoreModel, value: T) => Promise<void>) {
  return given.map((value) => new Command(`${name} ${JSON.stringify(value)}`, (model) => work(model, value)));
}

const nothing = fc.constant(undefined);
const cut = fc.record({ share, leaves: fc.constantFrom("nothing" as const, "zeros", "noise") });
const crash = fc.record({ actions, turns: fc.nat(40), cut: fc.option(cut, { nil: undefined }) });
const COMMANDS = [
  named("at once", actions, (model, value) => model.atOnce(value)),
  named("at once, too", actions, (model, value) => model.atOnce(value)),
  named("pin", body, (model, value) => model.pin(value, true)),
  named("unpin", body, (model, value) => model.pin(value, false)),
  named("collect", fc.nat(2_000_000), (model, value) => model.collect(value)),
  named("purge", uri, (model, value) => model.purge(value)),
  named("hold", body, (model, value) => model.hold(value)),
  named("finish readers", nothing, (model) => model.finishReaders()),
  named("reopen", nothing, (model) => model.reopen()),
  named("crash", crash, (model, { actions: underWay, ...how }) => model.crash(underWay, how)),
  named("check", nothing, (model) => model.check()),
];

/** Runs so many random sequences of commands against a store with much room and one with little, for so long at most. */
export function modelRuns(numRuns: number, maxMs: number): void {
  test.each([{ maxBytes: 1024 ** 3 }, { maxBytes: 1_550_000 }])(
    "whatever is stored, read, pinned, evicted and purged, and whenever it crashes, the store is as docs/storage-format.md says: limit $maxBytes",
    async ({ maxBytes }) => {
      const seed = Number(process.env["LARDER_TEST_SEED"] ?? randomInt(2 ** 31));
      console.log(`store model: LARDER_TEST_SEED=${seed}`);
      const isAsDescribed = fc.asyncProperty(
        fc.commands(COMMANDS, { maxCommands: 25, size: "max" }),
        async (commands) => {
          const workbench = await setUpWorkbench();
          try {
            const model = await StoreModel.open(workbench, maxBytes);
            await fc.asyncModelRun(() => ({ model: {}, real: model }), commands);
            await model.check();
            await model.close();
          } finally {
            await workbench.dispose();
          }
        },
      );
      await fc.assert(isAsDescribed, { seed, numRuns, interruptAfterTimeLimit: maxMs });
      expect.hasAssertions();
    },
    60_000 + 2 * maxMs,
  );
}
