import { realpath, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect } from "vitest";
import { BASE_IMAGE, makeBaseImage } from "../support/base-image.ts";
import { get } from "../support/client.ts";
import { bytesHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { unusedPort } from "../support/origin.ts";
import { mustRun, type Outcome, runProgram } from "../support/programs.ts";

const SOURCES = resolve(import.meta.dirname, "../..");
const IMAGE = "localhost/larder-under-test";
/** A platform's own choice, which no passwd knows. */
const USER = "123456:0";

/**
 * What works on any machine that the tests run on: runc needs no unified cgroups, and a container that holds the tests may not
 * let its own have more files and processes than itself.
 */
const ENGINE = ["--runtime=runc", "--cgroup-manager=cgroupfs"];
const LIMITS = ["--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"];
/** Everything that can be taken away. */
const HARDENED = ["--read-only", `--user=${USER}`, "--cap-drop=all", "--security-opt=no-new-privileges"];

const test = base
  .extend("storage", { scope: "file" }, () => makeBaseImage())
  .extend("podman", ({ storage, folder }) => {
    return (...args: readonly string[]): Promise<Outcome> =>
      runProgram("podman", [...storage, ...ENGINE, ...args], { cwd: folder });
  })
  /** larder's own image, built by its Containerfile without a network: the dependencies are those of the tests. */
  .extend("image", { scope: "file" }, async ({ storage, sharedFolder }) => {
    const modules = await realpath(join(SOURCES, "node_modules"));
    const images = ["BUILD_IMAGE", "BASE_IMAGE"].map((name) => `--build-arg=${name}=${BASE_IMAGE}`);
    const options = [
      ...images,
      `--volume=${modules}:/src/node_modules:O`,
      "--network=none",
      "--format=docker",
      "--layers=false",
    ];
    const args = [...storage, ...ENGINE, "build", ...options, LIMITS[0] ?? "", "--tag", IMAGE, SOURCES];
    await mustRun("podman", args, { cwd: sharedFolder });
    return IMAGE;
  });

const MINUTES = 60_000;

describe("larder in a container", () => {
  test("serves, as any user, on a root that nobody may write, and keeps its CA and store in its volumes", {
    timeout: 5 * MINUTES,
  }, async ({ image, podman, origin, folder }) => {
    const must = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await podman(...args);
      expect(code, `podman ${args.join(" ")}\n${stderr}`).toBe(0);
      return stdout.toString();
    };
    const port = await unusedPort();
    const volumes = ["--volume=larder-store:/var/cache/larder", "--volume=larder-keys:/var/lib/larder"];
    const settings = [`--env=LARDER_LISTEN=127.0.0.1:${port}`, "--env=LARDER_ALLOW_DESTINATION=127.0.0.0/8"];
    const start = () =>
      must(
        "run",
        "--detach",
        "--name=larder",
        "--network=host",
        ...LIMITS,
        ...HARDENED,
        ...volumes,
        ...settings,
        image,
      );
    const isServing = () => expect.poll(async () => (await podman("exec", "larder", "larder", "status")).code);
    const body = Buffer.from("payload");
    origin.serve("/pool/a.deb", bytesHandler(body, { "Cache-Control": "max-age=3600" }));

    await start();
    try {
      await isServing().toBe(0);
      expect(await must("healthcheck", "run", "larder")).toBe("");
      expect(await must("exec", "larder", "id", "-u")).toBe(`${USER.split(":")[0]}\n`);
      expect((await podman("exec", "larder", "touch", "/usr/local/x")).stderr).toMatch(/Read-only file system/);
      const first = await get({ port }, `${origin.url}/pool/a.deb`);
      expect(first.body.equals(body)).toBe(true);
      const ca = await must("exec", "larder", "larder", "ca", "show", "--pem");

      await must("stop", "--time=20", "larder");
      expect(await must("inspect", "--format={{.State.ExitCode}}", "larder")).toBe("0\n");
      await must("rm", "larder");
      await start();
      await isServing().toBe(0);
      expect(await must("exec", "larder", "larder", "ca", "show", "--pem")).toBe(ca);
      expect((await get({ port }, `${origin.url}/pool/a.deb`)).headers["cache-status"]).toMatch(/ hit\b/);
      await writeFile(join(folder, "ca.pem"), ca);
      await mustRun("openssl", ["x509", "-noout", "-in", "ca.pem"], { cwd: folder });
    } finally {
      await podman("rm", "--force", "--time=5", "larder");
      await podman("volume", "rm", "larder-store", "larder-keys");
    }
  });

  test("is small beside its base: no tools of development, no sources of what was compiled", {
    timeout: 5 * MINUTES,
  }, async ({ image, podman }) => {
    const sizeOf = async (name: string) =>
      Number((await podman("image", "inspect", "--format={{.Size}}", name)).stdout.toString());
    const added = (await sizeOf(image)) - (await sizeOf(BASE_IMAGE));
    expect(added).toBeGreaterThan(0);
    expect(added).toBeLessThan(64 * 1024 * 1024);
    const list = await podman(
      "run",
      "--rm",
      "--network=none",
      ...LIMITS,
      "--entrypoint=ls",
      image,
      "/usr/local/lib/larder/node_modules",
    );
    const installed = list.stdout.toString().split("\n");
    expect(installed).toContain("better-sqlite3");
    expect(installed).not.toContain("vitest");
  });
});

describe("compose.yaml", () => {
  test("is what a compose implementation understands, with every promise in it", async ({ folder }) => {
    const said = await mustRun("docker-compose", ["--file", join(SOURCES, "compose.yaml"), "config"], { cwd: folder });
    const text = said.toString();
    for (const promise of [
      /read_only: true/,
      /cap_drop:\n\s+- ALL/,
      /no-new-privileges:true/,
      /healthcheck:\n/,
      /mem_limit: 1g/,
      /pids_limit: 128/,
      /LARDER_ALLOW: 10\.89\.142\.0\/24/,
      /store:\/var\/cache\/larder/,
      /keys:\/var\/lib\/larder/,
    ])
      expect(text).toMatch(promise);
  });

  test("gives larder settings that it understands", async ({ folder }) => {
    const text = (
      await mustRun("docker-compose", ["--file", join(SOURCES, "compose.yaml"), "config"], { cwd: folder })
    ).toString();
    const env = Object.fromEntries(
      [...text.matchAll(/^ {6}(LARDER_\w+): (.*)$/gm)].map(([, name, value]) => [name, value]),
    );
    expect(Object.keys(env)).toContain("LARDER_LISTEN");
    const { loadConfig } = await import("../../cli/settings/config.ts");
    const { settings } = loadConfig({ flags: {}, env: { HOME: folder, ...env }, workingDir: folder });
    expect(settings.listen).toContainEqual({ host: "10.89.142.2", port: 3142 });
    expect(settings.allow).toEqual(["10.89.142.0/24"]);
  });
});
