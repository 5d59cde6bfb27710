import { test } from "../support/fixtures.ts";
import { expectLargeBodyPasses } from "./large-body.ts";

test("4 GiB stream through and are stored in less than 150 MiB of memory", async ({ larder, origin }) => {
  await expectLargeBodyPasses({ mebibytes: 4096, maxRssMebibytes: 150 }, larder, origin);
}, 600_000);
