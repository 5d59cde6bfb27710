import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { test as base } from "../support/fixtures.ts";
import { larderEnvironment, PROGRAM } from "../support/larder.ts";
import { Network } from "../support/networks/network.ts";
import { mustRun } from "../support/programs.ts";

const LARDER = "10.0.0.1";
const INVITED = "10.1.0.5";
const STRANGER = "10.2.0.5";

const test = base.extend("network", async ({ folder }, { onCleanup }) => {
  // Routes alone: clients may come from there, and none of them is an address of larder's own machine.
  const routes = [INVITED, STRANGER].map((address) => `ip route add local ${address}/32 dev lo`);
  const setUp = [`ip address add ${LARDER}/32 dev lo`, ...routes];
  const network = await Network.create({ folder, setUp });
  onCleanup(() => network.stop());
  return network;
});

describe("a client from elsewhere", () => {
  test("comes in from an allowed network, or as a user, and whatever Forwarded says in no other way", async ({
    network,
    folder,
  }) => {
    await mkdir(join(folder, "run"), { mode: 0o700 });
    const options = { cwd: folder, env: larderEnvironment(folder) };
    const serve = ["serve", "--log-level", "silent", "--listen", `${LARDER}:3142`, "--allow", "10.1.0.0/16"];
    await network.start(process.execPath, [PROGRAM, ...serve], options);
    const statusFrom = async (address: string, ...more: string[]): Promise<string> => {
      const args = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*", "--interface", address, ...more];
      return String((await network.run("curl", [...args, `http://${LARDER}:3142/healthz`], options)).stdout);
    };
    const credentials = (password: string) => [
      "--header",
      `Proxy-Authorization: Basic ${Buffer.from(`one:${password}`).toString("base64")}`,
    ];
    expect(await statusFrom(INVITED)).toBe("200");
    expect(await statusFrom(STRANGER)).toBe("403");
    expect(await statusFrom(STRANGER, "--header", `Forwarded: for=${INVITED}`)).toBe("403");
    expect(await statusFrom(STRANGER, ...credentials("right"))).toBe("403");
    await mustRun(process.execPath, [PROGRAM, "user", "add", "one"], { ...options, stdin: "right\n" });
    expect(await statusFrom(STRANGER)).toBe("407");
    expect(await statusFrom(STRANGER, ...credentials("wrong"))).toBe("407");
    expect(await statusFrom(STRANGER, ...credentials("right"))).toBe("200");
    expect(await statusFrom(INVITED)).toBe("200");
  });
});
