import { test } from "../support/fixtures.ts";
import { expectLargeBodyPasses } from "./large-body.ts";

test("512 MiB stream through and are stored in a fraction of that memory", async ({ larder, origin }) => {
  await expectLargeBodyPasses({ mebibytes: 512, maxRssMebibytes: 190 }, larder, origin);
});
