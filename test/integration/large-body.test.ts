import { test } from "../support/fixtures.ts";
import { expectLargeBodyPasses } from "./large-body.ts";

test("512 MiB stream through and are stored in less than 150 MB of memory", async ({ larder, origin }) => {
  await expectLargeBodyPasses(512, larder, origin);
}, 120_000);
