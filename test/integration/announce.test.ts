import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { test as base } from "../support/fixtures.ts";
import { type Larder, runLarder } from "../support/larder.ts";
import { Network } from "../support/networks/network.ts";

const [SERVER, CLIENT] = ["192.0.2.1", "192.0.2.2"];

/** Resolves when the larder has said on its link where it is. @returns the names that it has taken */
async function announced(larder: Larder): Promise<readonly string[]> {
  for (;;) {
    const [line] = larder.logged("announced on the local link");
    if (line !== undefined) return line["names"] as string[];
    await larder.command("status");
  }
}

const test = base
  .extend("server", { scope: "file" }, async ({ sharedFolder }, { onCleanup }) => {
    await mkdir(join(sharedFolder, "server"));
    const network = await Network.create({ folder: join(sharedFolder, "server"), setUp: [] });
    onCleanup(() => network.stop());
    return network;
  })
  /** A machine at the other end of a cable. It runs avahi, as desktops do. */
  .extend("client", { scope: "file" }, async ({ server, sharedFolder }, { onCleanup }) => {
    const here = { cwd: sharedFolder };
    await mkdir(join(sharedFolder, "client"));
    const client = await Network.create({
      folder: join(sharedFolder, "client"),
      setUp: [
        `ip link add lan0 type veth peer name lan0 netns ${server.pid}`,
        `ip address add ${CLIENT}/24 dev lan0`,
        "ip link set lan0 up",
        "mount -t tmpfs tmpfs /run",
        "mkdir /run/dbus /run/avahi-daemon",
      ],
    });
    onCleanup(async () => {
      await client.run("avahi-daemon", ["--kill"], here);
      await client.stop();
    });
    await server.run("sh", ["-ec", `ip address add ${SERVER}/24 dev lan0; ip link set lan0 up`], here);
    await client.start("dbus-daemon", ["--system", "--nofork", "--print-address"], here);
    await client.run("avahi-daemon", ["--no-drop-root", "--no-chroot", "--daemonize"], here);
    return client;
  })
  .extend("startAnnouncing", ({ startLarder }) => async ({ enter }: Network, address: string) => {
    const flags = ["--listen", `${address}:3142`, "--allow", "192.0.2.0/24", "--announce"];
    return startLarder({ enter, flags });
  })
  /** What the second machine knows of a type of services: `name;host;address;port;text`. */
  .extend("browse", ({ client, folder }) => async (type: string) => {
    const { stdout } = await client.run("avahi-browse", ["-prt", type], { cwd: folder });
    const found = stdout
      .toString()
      .split("\n")
      .map((line) => line.split(";"));
    const resolved = found.filter(([sign]) => sign === "=").map((words) => [words[3], ...words.slice(6)].join(";"));
    return [...new Set(resolved)];
  });

describe("larder serve --announce", () => {
  test("is seen by avahi for its own clients and apt's until it stops, and found by larder resolve, never as a proxy", async ({
    server,
    client,
    startAnnouncing,
    browse,
    folder,
  }) => {
    const larder = await startAnnouncing(server, SERVER);
    await announced(larder);
    const place = `larder.local;${SERVER};3142`;
    await expect
      .poll(() => browse("_larder._tcp"))
      .toEqual([expect.stringMatching(`^larder.*;${place};.*"nix=/nix/"`)]);
    await expect.poll(() => browse("_apt_proxy._tcp")).toEqual([expect.stringMatching(`^larder.*;${place};`)]);
    const state = join(folder, "resolver");
    const resolve = ["resolve", "--once", "--explain", "--state-dir", state];
    const look = async () => (await runLarder(resolve, { folder, enter: client.enter })).stdout.toString();
    // The second answer is waited for a moment only once there is a first.
    const line = (method: string) => `${method} +192\\.0\\.2\\.1:3142 .*larder, with a binary cache.*\n`;
    await expect.poll(look).toMatch(new RegExp(`^${line("mdns")}(.*\n)*${line("dns-sd")}`, "m"));
    expect(await readFile(join(state, "larder-ip"), "utf8")).toBe(`${SERVER}\n`);
    expect(await readFile(join(state, "nix.conf"), "utf8")).toContain(`= http://${SERVER}:3142/nix/ https://cache`);
    expect(await readFile(join(state, "proxy.env"), "utf8")).not.toContain("=");
    await larder.stop();
    // By itself it would stay known for 75 minutes; what is taken back, for a second (RFC 6762 §10.1).
    while ((await browse("_larder._tcp")).length > 0);
    while ((await browse("_apt_proxy._tcp")).length > 0);
  });

  test("takes other names where somebody has its own, and both are found", async ({
    server,
    client,
    startAnnouncing,
    browse,
  }) => {
    const first = await startAnnouncing(server, SERVER);
    expect(await announced(first)).toContain("larder.local");
    const second = await startAnnouncing(client, CLIENT);
    expect(await announced(second)).toContain("larder-2.local");
    const places = async () => (await browse("_larder._tcp")).map((line) => line.split(";").slice(1, 3)).sort();
    await expect.poll(places).toEqual([
      ["larder-2.local", CLIENT],
      ["larder.local", SERVER],
    ]);
  });

  test("on loopback only is refused with its cure", async ({ folder }) => {
    const { code, stderr } = await runLarder(["serve", "--listen", "127.0.0.1:0", "--announce"], { folder });
    expect(code).toBe(2);
    expect(stderr).toMatch(/CONFIG_BAD_VALUE: announce is set, but larder listens on loopback only.* add --listen/);
  });
});
