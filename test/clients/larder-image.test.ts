import { realpath, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect } from "vitest";
import { get } from "../support/client.ts";
import { BASE_IMAGE, makeBaseImage } from "../support/clients/base-image.ts";
import { bytesHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { unusedPort } from "../support/listen.ts";
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
/** The network of compose.yaml. */
const BUILDERS = "10.89.142.0/24";
const POLLING = { timeout: 300_000, interval: 500 };
const LIMITS = ["--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"];
/** Everything that can be taken away. */
const HARDENED = ["--read-only", `--user=${USER}`, "--cap-drop=all", "--security-opt=no-new-privileges"];

const test = base
  .extend("storage", { scope: "file" }, () => makeBaseImage())
  .extend("podman", ({ storage, folder }) => {
    return (...args: readonly string[]): Promise<Outcome> =>
      runProgram("podman", [...storage, ...ENGINE, ...args], { cwd: folder });
  })
  /** podman-compose, whose networks are the test's own. */
  .extend("compose", async ({ storage, folder }) => {
    const options = [...storage, ...ENGINE, `--network-config-dir=${join(folder, "networks")}`];
    const engine = join(folder, "engine");
    await writeFile(engine, `#!/bin/sh\nexec podman ${options.join(" ")} "$@"\n`, { mode: 0o755 });
    const override = join(folder, "override.yaml");
    const environment = { LARDER_ALLOW_DESTINATION: BUILDERS };
    await writeFile(override, JSON.stringify({ services: { larder: { user: USER, environment } } }));
    const port = await unusedPort();
    const podman = async (...args: readonly string[]): Promise<string> =>
      (await mustRun(engine, args, { cwd: folder })).toString();
    const run = (...args: readonly string[]) => {
      const files = ["--file", join(SOURCES, "compose.yaml"), "--file", override];
      const flags = [
        `--podman-path=${engine}`,
        `--podman-run-args=${LIMITS[1]}`,
        "--project-name=larder-test",
        ...files,
      ];
      return mustRun("podman-compose", [...flags, ...args], { cwd: folder, env: { PUBLISHED_PORT: `${port}` } });
    };
    const container = "larder-test_larder_1";
    return {
      podman,
      container,
      up: () => run("up", "--detach", "--no-build"),
      down: () => run("down"),
      isHealthy: () => expect.poll(() => podman("healthcheck", "run", container).catch(String), POLLING).toBe(""),
    };
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
    timeout: 15 * MINUTES,
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
    const isServing = () => expect.poll(async () => (await podman("exec", "larder", "larder", "status")).code, POLLING);
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
    timeout: 15 * MINUTES,
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
  test("brought up by podman-compose: healthy, serves the containers of its network, and keeps its volumes when it is made anew", {
    timeout: 15 * MINUTES,
  }, async ({ image, compose, folder }) => {
    await compose.podman("tag", image, "localhost/larder");
    await compose.podman("network", "create", `--subnet=${BUILDERS}`, "larder-builders");
    const origin = "mkdir /www && cd /www && echo payload > a.deb && exec python3 -m http.server 8000";
    const get = "curl -fsS --retry 9 --retry-connrefused --proxy http://larder:3142 -D - http://origin:8000/a.deb";
    const builder = (...args: readonly string[]) =>
      compose.podman("run", "--rm", "--network=larder-builders", ...LIMITS, ...args);
    try {
      await builder("--detach", "--name=origin", BASE_IMAGE, "sh", "-c", origin);
      await compose.up();
      await compose.isHealthy();
      expect(await builder(BASE_IMAGE, "sh", "-c", get)).toMatch(/fwd=uri-miss; .*stored.*payload/s);
      const ca = await compose.podman("exec", compose.container, "larder", "ca", "show", "--pem");
      expect(await compose.podman("exec", compose.container, "id", "-u")).toBe(`${USER.split(":")[0]}\n`);

      await compose.down();
      await compose.up();
      await compose.isHealthy();
      expect(await compose.podman("exec", compose.container, "larder", "ca", "show", "--pem")).toBe(ca);
      expect(await builder(BASE_IMAGE, "sh", "-c", get)).toMatch(/fwd-status=304.*payload/s);
      await writeFile(join(folder, "ca.pem"), ca);
      await mustRun("openssl", ["x509", "-noout", "-in", "ca.pem"], { cwd: folder });
    } finally {
      await compose.down();
      await compose.podman("rm", "--force", "--time=0", "origin");
      await compose.podman("network", "rm", "--force", "larder-builders");
      await compose.podman("volume", "rm", "--force", "larder-test_store", "larder-test_keys");
    }
  });

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
      /127\.0\.0\.1:3142:3142/,
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
    expect(settings.listen).toContainEqual({ host: "0.0.0.0", port: 3142 });
    expect(settings.allow).toEqual([BUILDERS]);
  });
});
