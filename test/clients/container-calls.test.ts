import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { startLarderProcess } from "../cli/process.ts";
import { BASE_IMAGE } from "../support/clients/base-image.ts";
import { test as base } from "../support/fixtures.ts";
import { type Larder, runLarder } from "../support/larder.ts";
import { mustRun } from "../support/programs.ts";
import { BUILD, test as withImages } from "./container-workshop.ts";

/** A larder that serves, and an empty context beside it. */
const test = base.extend("serving", ({ startLarder, folder }) => startLarder({ folder }));

const CALL = ["podman", "--runtime", "runc", "build", "--network=host", "."];

/** The printed argument that begins so. */
const found = (said: string, prefix: string) => said.split(/\s/).find((word) => word.startsWith(prefix)) ?? "";

async function says(larder: Larder, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await larder.command("build", ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.toString();
}

describe("larder build", () => {
  test("--print shows the final command, in which the shim has taken the runtime's place", async ({ serving }) => {
    const said = await says(serving, "--print", "--", ...CALL);
    expect(said).toMatch(/^podman build --runtime=\S+\/runc --network=host \.\n$/);
    const shim = await readFile(found(said, "--runtime=").slice("--runtime=".length), "utf8");
    expect(shim).toMatch(/^exec \/\S+\/runc "\$@"$/m);
  });

  test("--print-args shows only what is inserted, an argument a line", async ({ serving }) => {
    expect(await says(serving, "--print-args", "--", ...CALL)).toMatch(/^--runtime=\S+\/runc\n$/);
  });

  test("mounts a cache tree that stands prepared; without one the command line is the same as ever", async ({
    serving,
    folder,
  }) => {
    const before = await says(serving, "--print-args", "--", ...CALL);
    const tree = join(folder, "cache/larder/dnf");
    await mkdir(tree);
    expect(await says(serving, "--print-args", "--", ...CALL)).toBe(`${before}--volume=${tree}:/var/cache/dnf:O\n`);
  });

  test("gives a container that is run plain arguments", async ({ serving }) => {
    const said = await says(serving, "--print-args", "--", "podman", "run", "--network=host", "alpine", "true");
    const lines = said.trimEnd().split("\n");
    expect(lines).toContain(`--env=https_proxy=${serving.url}`);
    expect(lines).toContain("--env=SSL_CERT_FILE=/dev/larder/bundle.pem");
    const volume = /^--volume=(.*):\/dev\/larder:ro$/.exec(lines.at(-1) ?? "");
    expect(await readdir(volume?.[1] ?? "")).toEqual(["apt.conf", "bundle.pem", "ca.pem", "truststore.p12", "wgetrc"]);
  });

  test("gives docker build predefined arguments, and says what they cannot do", async ({ serving }) => {
    const { code, stdout, stderr } = await serving.command(
      ...["build", "--print-args", "--", "docker", "build", "--network=host", "."],
    );
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(/^larder: .*https takes its own way\n$/),
    });
    expect(stdout.toString()).toContain(`--build-arg=http_proxy=${serving.url}\n`);
    expect(stdout.toString()).not.toContain("https_proxy");
  });

  test("says before a build under chroot isolation what cannot be had there, and how to have it", async ({
    serving,
  }) => {
    const call = ["podman", "build", "--isolation=chroot", "."];
    const { code, stdout, stderr } = await serving.command("build", "--print-args", "--", ...call);
    expect({ code, inserted: stdout.toString() }).toEqual({ code: 0, inserted: "" });
    expect(stderr).toMatch(/^larder: chroot isolation .*https takes its own way; --bind-bundle .*\n$/);
    const bound = await serving.command("build", "--bind-bundle=/etc/ssl/cert.pem", "--print-args", "--", ...call);
    expect(bound.stdout.toString()).toMatch(/^--volume=\S+\/bundle\.pem:\/etc\/ssl\/cert\.pem:ro\n$/);
    expect(bound.stderr).toMatch(/^larder: chroot isolation .*a RUN that replaces it.* fails, and Node.*\n$/);
  });

  test.for([
    [["podman", "--remote", "build", "."], "client of a podman elsewhere"],
    [["podman", "--connection=far", "run", "alpine"], "client of a podman elsewhere"],
    [["podman", "--remote", "build", "--isolation=chroot", "."], "client of a podman elsewhere"],
    [["make", "image"], 'does not know "make image"'],
  ] as const)("refuses %s in one line", async ([call, reason], { folder }) => {
    const { code, stderr } = await runLarder(["build", "--", ...call], { folder });
    expect(code).toBe(2);
    expect(stderr).toMatch(new RegExp(`^larder: USAGE: .*${reason}.*\n$`));
  });

  test("--print without a proxy that stays says how to have one", async ({ folder }) => {
    const { code, stderr } = await runLarder(["build", "--print", "--", ...CALL], { folder });
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("larder serve") });
  });
});

describe("larder image lint", () => {
  test("reads an OCI layout, and finds what a careless build leaves", async ({ folder, larder }) => {
    const podman = (...args: string[]) =>
      mustRun("buildah", ["--root", join(folder, "storage"), "--runroot", join(folder, "run"), ...args], {
        cwd: folder,
      });
    const container = (await podman("from", "scratch")).toString().trim();
    await podman("copy", container, join(larder.folder, "config/larder/ca/ca.pem"), "/etc/ssl/ca.pem");
    await podman("config", "--env", "https_proxy=http://127.0.0.1:3142", container);
    await podman("commit", "--quiet", container, `oci:${join(folder, "layout")}`);
    const { code, stdout } = await larder.command("image", "lint", "--json", `oci:${join(folder, "layout")}`);
    expect(code).toBe(1);
    expect(JSON.parse(stdout.toString()).traces).toMatchObject([
      { kind: "variable", where: "https_proxy" },
      { kind: "ca", where: "/etc/ssl/ca.pem (layer 1)" },
    ]);
    await mustRun("umount", [join(folder, "storage/overlay")], { cwd: "/" }).catch(() => undefined);
  });

  test("says which image it cannot read", async ({ larder }) => {
    const { code, stderr } = await larder.command("image", "lint", "oci:nowhere");
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("IMAGE_UNREADABLE") });
  });
});

describe("a build", { timeout: 600_000 }, () => {
  withImages(
    "by larder run is the same; one that is interrupted is no success, and leaves no folder behind",
    async ({ workshop, folder }) => {
      const context = await workshop.context("interrupted", { containerfile: "RUN echo RUNS; sleep 30\n" });
      const command = ["podman", ...workshop.storage, "build", ...BUILD, context];
      const { child, said, ended } = startLarderProcess(["run", "--", ...command], { folder });
      await said(/^RUNS$/m);
      const builds = join(folder, "cache/larder/builds");
      expect(await readdir(builds)).toHaveLength(1);
      child.kill("SIGTERM");
      expect((await ended).code).not.toBe(0);
      expect(await readdir(builds)).toEqual([]);
    },
  );

  withImages(
    "stands on the BASE_IMAGE that was given once, and is told of another default",
    async ({ workshop, folder }) => {
      const context = await workshop.context("given", { containerfile: "" });
      const containerfile = "ARG BASE_IMAGE=localhost/other:1\nFROM $BASE_IMAGE\nRUN command -v dnf\n";
      await writeFile(join(context, "Containerfile"), containerfile);
      const command = ["podman", ...workshop.storage, "build", ...BUILD, "--quiet", context];
      const given = { folder, env: { BASE_IMAGE } };
      const { code, stderr } = await runLarder(["build", "--no-lint", "--", ...command], given);
      expect(code, stderr).toBe(0);
      expect(stderr).toMatch(new RegExp(`BASE_IMAGE is ${BASE_IMAGE}.*localhost/other:1`));
    },
  );

  withImages("gives back the engine's exit code", async ({ workshop }) => {
    const { outcome } = await workshop.build("fails", { containerfile: "RUN exit 9\n" });
    expect(outcome.code).toBe(9);
  });
});
