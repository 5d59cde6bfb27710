import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { loadOrCreateAuthority } from "../../../certs/authority.ts";
import { checkAuthority, checkDisk } from "../../../cli/doctor/proxy-checks.ts";
import { mountTmpfs } from "../../storage/tmpfs.ts";
import { test } from "../../support/fixtures.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const MADE_MS = Date.UTC(2026, 0, 1);

describe("the check of the CA", () => {
  test.for([
    ["is good while it is valid for long", () => MADE_MS + DAY_MS, { outcome: "good" }],
    [
      "says 30 days before its end that it ends",
      (endMs: number) => endMs - 29 * DAY_MS,
      { outcome: "note", cure: expect.stringContaining("to have a new one made") },
    ],
    [
      "finds it expired",
      (endMs: number) => endMs,
      {
        outcome: "bad",
        says: expect.stringMatching(/^CA_UNUSABLE: .* expired on /),
        cure: expect.stringContaining("to have a new CA made"),
      },
    ],
    [
      "finds it not valid yet",
      () => MADE_MS - 7 * DAY_MS,
      {
        outcome: "bad",
        says: expect.stringMatching(/^CA_UNUSABLE: .* is valid from .* only/),
        cure: "set this machine's clock right",
      },
    ],
  ] as const)("%s", ([, nowMs, expected], { folder }) => {
    const files = { certFile: join(folder, "ca/ca.pem"), keyFile: join(folder, "ca/ca.key") };
    const { notAfterMs } = loadOrCreateAuthority({ ...files, nowMs: MADE_MS, create: true });
    const { finding } = checkAuthority({ caCert: files.certFile, caKey: files.keyFile }, nowMs(notAfterMs));
    expect(finding).toMatchObject({ check: "CA", ...expected });
  });
});

describe("the check of the disk", () => {
  test("finds one on which nothing is free, and how to free some", async ({ folder }) => {
    const disk = await mountTmpfs(folder, 64 * 1024);
    try {
      await writeFile(join(disk.folder, "all"), Buffer.alloc(1024 * 1024)).catch(() => undefined);
      const found = await checkDisk(disk.folder);
      expect(found).toMatchObject({ outcome: "bad", says: expect.stringMatching(/^0 B free for /) });
      expect(found.cure).toContain("larder store gc");
    } finally {
      await disk.unmount();
    }
  });

  test("says of a store that is not there yet that it is not", async ({ folder }) => {
    const found = await checkDisk(join(folder, "none"));
    expect(found).toMatchObject({ outcome: "note", says: expect.stringContaining("is not there yet") });
  });
});
