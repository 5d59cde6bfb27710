import { readdir } from "node:fs/promises";
import { expect } from "vitest";
import { storeBody } from "./bodies.ts";
import { Child } from "./child.ts";
import { test } from "./workbench.ts";

const HOLD_STORE = import.meta.resolve("./hold-store.ts");

test("a second writer is refused and told who the first one is", async ({ open, rootDir, onTestFinished }) => {
  const holder = new Child(HOLD_STORE, [rootDir]);
  onTestFinished(() => holder.kill());
  await holder.nextLine();
  const refused = open();
  await expect(refused).rejects.toMatchObject({ code: "STORE_LOCKED", details: { rootDir, pid: holder.pid } });
  await expect(refused).rejects.toThrow(`process ${holder.pid}, running since`);
});

test("a second store in the same process is refused too", async ({ store, open }) => {
  expect(store.usage().blobs).toBe(0);
  await expect(open()).rejects.toMatchObject({ code: "STORE_LOCKED", details: { pid: process.pid } });
});

test("the lock of a writer that was killed is free", async ({ open, rootDir, onTestFinished }) => {
  const holder = new Child(HOLD_STORE, [rootDir]);
  onTestFinished(() => holder.kill());
  await holder.nextLine();
  await holder.kill();
  const store = await open();
  await storeBody(store, "http://o/a", Buffer.from("a"));
  expect(store.find("GET http://o/a")).toHaveLength(1);
});

test("the lock of a writer that closed is free, and nothing tells of a crash", async ({ store, open, rootDir }) => {
  expect(await readdir(rootDir)).toContain("writer.json");
  await store.close();
  expect(await readdir(rootDir)).not.toContain("writer.json");
  await open();
});
