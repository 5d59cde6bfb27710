import { access, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { startLarderProcess } from "../cli/process.ts";
import { test as base } from "../support/fixtures.ts";
import { LAN, Lan } from "../support/networks/lan.ts";

const test = base
  .extend("lan", { scope: "file" }, async ({ sharedFolder }, { onCleanup }) => {
    const lan = await Lan.create(sharedFolder);
    onCleanup(() => lan.network.stop());
    return lan;
  })
  .extend("startLarderAt", ({ lan, startLarder }) => (address: string) => {
    return startLarder({ enter: lan.network.enter, flags: ["--listen", `${address}:3142`] });
  })
  .extend("watch", async ({ lan, folder }, { onCleanup }) => {
    const children: { kill(): unknown }[] = [];
    onCleanup(() => {
      for (const child of children) child.kill();
    });
    return (...flags: readonly string[]) => {
      const files = ["--override-file", join(folder, "override"), "--state-dir", join(folder, "resolver")];
      const started = startLarderProcess(["resolve", "--watch", ...files, ...flags], {
        folder,
        enter: lan.network.enter,
      });
      children.push(started.child);
      return started;
    };
  })
  .extend(
    "written",
    ({ folder }) =>
      (file: string) =>
        readFile(join(folder, "resolver", file), "utf8"),
  );

/** As editors do: nobody finds the file empty in between. */
async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

/** Resolves as soon as the file is there. */
async function appearance(file: string): Promise<void> {
  while (
    !(await access(file).then(
      () => true,
      () => false,
    ))
  );
}

describe("larder resolve --watch", () => {
  test("writes what holds without a cache at once, while it still looks, and ends in mid-look by Ctrl-C", async ({
    lan,
    watch,
    written,
    folder,
  }) => {
    await lan.network.useNameServers([LAN.blackHole]);
    const { child, ended } = watch("--deadline", "10s");
    await appearance(join(folder, "resolver", "proxy.env"));
    expect(await written("nix.conf")).toContain("\nextra-substituters = https://cache.nixos.org/\n");
    child.kill("SIGINT");
    const { code, stdout } = await ended;
    await lan.network.useNameServers([LAN.names]);
    expect([code, stdout]).toEqual([0, ""]);
  });

  test("looks again when the override file or an address changes, and writes and tells only what has changed", async ({
    lan,
    startLarderAt,
    watch,
    written,
    folder,
  }) => {
    const changes = join(folder, "changes");
    const override = join(folder, "override");
    await writeFile(override, "");
    const watcher = watch("--explain", "--on-change", `echo changed >> '${changes}'; exit 3`);
    await watcher.said(/no cache; the public ones serve\n/);

    await startLarderAt(LAN.cache);
    await replaceFile(override, `${LAN.cache}\n`);
    await watcher.said(/192\.0\.2\.10:3142 by override\n/);
    await appearance(changes);
    expect(await written("larder-ip")).toBe(`${LAN.cache}\n`);
    const before = await stat(join(folder, "resolver", "nix.conf"));

    await replaceFile(override, `${LAN.cache} # the same\n`);
    await watcher.said(/by override\n(.|\n)*by override\n/);
    expect((await stat(join(folder, "resolver", "nix.conf"))).ino).toBe(before.ino);

    await startLarderAt(LAN.otherCache);
    await lan.name({ "larder.larder.test": LAN.otherCache });
    await replaceFile(override, "");
    await watcher.said(/192\.0\.2\.11:3142 by dns\n/);
    await lan.network.run("ip", ["address", "add", "192.0.2.77/24", "dev", "lan0"], { cwd: folder });
    await watcher.said(/by dns\n(.|\n)*by dns\n/);
    watcher.child.kill("SIGTERM");
    const { code, stderr } = await watcher.ended;
    expect([code, stderr]).toEqual([0, expect.stringContaining("--on-change failed (exit 3)")]);
    expect(await written("larder-ip")).toBe(`${LAN.otherCache}\n`);
    expect(await readFile(changes, "utf8")).toBe("changed\nchanged\n");
  });
});
