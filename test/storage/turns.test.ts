import { expect, test } from "vitest";
import { Turns } from "../../storage/turns.ts";

/** Work that ends when it is told. */
function work(log: string[], name: string) {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const run = async () => {
    log.push(`${name} begins`);
    await ended;
    log.push(`${name} ends`);
    return name;
  };
  return { run, end };
}

test("work on one name runs in the order it came, on different names side by side", async () => {
  const turns = new Turns<string>();
  const log: string[] = [];
  const [a1, a2, b] = [work(log, "a1"), work(log, "a2"), work(log, "b")];
  const all = [turns.take("a", a1.run), turns.take("a", a2.run), turns.take("b", b.run)];
  b.end();
  a2.end();
  expect(await all[2]).toBe("b");
  expect(log).toEqual(["a1 begins", "b begins", "b ends"]);
  a1.end();
  expect(await Promise.all(all)).toEqual(["a1", "a2", "b"]);
  expect(log.slice(3)).toEqual(["a1 ends", "a2 begins", "a2 ends"]);
});

test("work that fails does not keep the next from its turn", async () => {
  const turns = new Turns<string>();
  const failing = turns.take("a", () => Promise.reject(new Error("no")));
  const next = turns.take("a", () => Promise.resolve("next"));
  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe("next");
  await turns.idle();
});
