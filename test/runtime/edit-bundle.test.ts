import { execFileSync } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect } from "vitest";
import type { RunPlan } from "../../runtime/plan.ts";
import { renderShim } from "../../runtime/shim.ts";
import { test as base } from "../support/fixtures.ts";
import { runProgram } from "../support/programs.ts";

const PROGRAM = resolve(import.meta.dirname, "../../dist/runtime/edit-bundle.js");
const ROOT = "-----BEGIN CERTIFICATE-----\nown\n-----END CERTIFICATE-----\n";
const NETWORK = { variables: { SSL_CERT_FILE: "/dev/larder/bundle.pem" }, aptConf: "// apt\n" };

/** A container of an image, and the shim before a runtime that only says what it was called with. */
const test = base.extend("container", async ({ folder }) => {
  const [bundleDir, rootDir] = [join(folder, "bundle"), join(folder, "rootfs")];
  for (const needed of [bundleDir, join(rootDir, "etc/ssl/certs"), join(rootDir, "etc/dnf")])
    await mkdir(needed, { recursive: true });
  const file = (name: string) => join(folder, name);
  for (const [name, text] of [
    ["ca.pem", "CA\n"],
    ["host.pem", "HOST\n"],
    ["t.p12", "P12"],
  ] as const)
    await writeFile(file(name), text);
  const plan: RunPlan = {
    hostNetwork: NETWORK,
    ownNetwork: NETWORK,
    handedOn: {},
    caFile: file("ca.pem"),
    bundleCandidates: ["/etc/ssl/certs/ca-certificates.crt"],
    fallbackBundleFile: file("host.pem"),
    truststoreFile: file("t.p12"),
    dnfConfs: ["/etc/dnf/dnf.conf"],
    cacheFolders: [{ path: "/var/cache/dnf", owners: ["/usr/bin/dnf"] }],
    handoutDir: file("handouts"),
    faultsFile: file("faults"),
  };
  await writeFile(file("plan.json"), JSON.stringify(plan));
  const runtimeFile = file("runtime");
  await writeFile(runtimeFile, '#!/bin/sh\necho "$@"\nexit 7\n', { mode: 0o755 });
  const shim = renderShim({
    runtimeFile,
    nodeFile: process.execPath,
    programFile: PROGRAM,
    planFile: file("plan.json"),
  });
  await writeFile(file("shim"), shim, { mode: 0o755 });
  return {
    rootDir,
    faults: () => readFile(plan.faultsFile, "utf8"),
    async start(config: object, ...words: readonly string[]) {
      await writeFile(join(bundleDir, "config.json"), JSON.stringify(config));
      const all = words.length > 0 ? words : ["create", "--bundle", bundleDir, "--pid-file", "/p", "c"];
      const outcome = await runProgram(file("shim"), all, { cwd: folder });
      return { outcome, said: all.join(" "), text: await readFile(join(bundleDir, "config.json"), "utf8") };
    },
    config: { root: { path: rootDir }, process: { env: [] }, mounts: [{ destination: "/dev", type: "tmpfs" }] },
  };
});

const sourceOf = (text: string, destination: string): string =>
  (JSON.parse(text).mounts as { destination: string; source: string }[]).find((one) => one.destination === destination)
    ?.source ?? "";

describe("the shim", () => {
  test("edits what is created, and hands the call on word by word", async ({ container }) => {
    const { outcome, said, text } = await container.start(container.config);
    expect(outcome).toMatchObject({ code: 7 });
    expect(outcome.stdout.toString()).toBe(`${said}\n`);
    expect(JSON.parse(text).process.env).toEqual(["SSL_CERT_FILE=/dev/larder/bundle.pem"]);
    expect(await readFile(join(sourceOf(text, "/dev/larder"), "bundle.pem"), "utf8")).toBe("HOST\nCA\n");
  });

  test("leaves every other call alone", async ({ container }) => {
    const { outcome, text } = await container.start(container.config, "state", "c");
    expect(outcome.stdout.toString()).toBe("state c\n");
    expect(text).toBe(JSON.stringify(container.config));
  });

  test("gives the image's own roots, found as its container finds them, and never another file of this machine", async ({
    container,
    folder,
  }) => {
    const bundle = join(container.rootDir, "etc/ssl/certs/ca-certificates.crt");
    await writeFile(join(container.rootDir, "etc/roots.pem"), ROOT);
    await symlink("/etc/../../../etc/roots.pem", bundle);
    const { text } = await container.start(container.config);
    expect(await readFile(join(sourceOf(text, "/dev/larder"), "bundle.pem"), "utf8")).toBe(`${ROOT}CA\n`);

    const outside = join(container.rootDir, "etc/dnf/dnf.conf");
    await writeFile(join(folder, "secret"), "secret");
    await symlink(join(folder, "secret"), outside);
    const again = await container.start(container.config);
    expect(sourceOf(again.text, "/etc/dnf/dnf.conf")).toBe("");
  });

  test("is not held up by what an image puts in a file's place", async ({ container }) => {
    execFileSync("mkfifo", [join(container.rootDir, "etc/ssl/certs/ca-certificates.crt")]);
    const { text } = await container.start(container.config);
    expect(await readFile(join(sourceOf(text, "/dev/larder"), "bundle.pem"), "utf8")).toBe("HOST\nCA\n");
  });

  test("puts a dnf.conf that trusts over the image's own", async ({ container }) => {
    await writeFile(join(container.rootDir, "etc/dnf/dnf.conf"), "[main]\ngpgcheck=1\n");
    const { text } = await container.start(container.config);
    expect(await readFile(sourceOf(text, "/etc/dnf/dnf.conf"), "utf8")).toBe(
      "[main]\nsslcacert=/dev/larder/bundle.pem\ngpgcheck=1\n",
    );
  });

  test("has its own mounts behind those of the engine, whose /dev they are below", async ({ container }) => {
    const { text } = await container.start(container.config);
    const paths = (JSON.parse(text).mounts as { destination: string }[]).map(({ destination }) => destination);
    expect(paths).toEqual(["/dev", "/dev/larder"]);
  });

  test("spares an image that knows no dnf the folder of its cache, which would stay", async ({ container }) => {
    const cache = { destination: "/var/cache/dnf", type: "overlay" };
    const config = { ...container.config, mounts: [...container.config.mounts, cache] };
    const hasCache = async () =>
      JSON.stringify(JSON.parse((await container.start(config)).text)).includes(cache.destination);
    expect(await hasCache()).toBe(false);
    await mkdir(join(container.rootDir, "usr/bin"), { recursive: true });
    await symlink("dnf-3", join(container.rootDir, "usr/bin/dnf"));
    expect(await hasCache()).toBe(false);
    await writeFile(join(container.rootDir, "usr/bin/dnf-3"), "");
    expect(await hasCache()).toBe(true);
  });

  test.for([
    ["a /dev that is no tmpfs", { mounts: [] }, "/dev of the container"],
    ["no root", { root: {} }, "no root"],
  ] as const)(
    "with %s the container is created as it was, and the build is told",
    async ([, change, reason], { container }) => {
      const config = { ...container.config, ...change };
      const { outcome, text } = await container.start(config);
      expect(outcome).toMatchObject({ code: 7 });
      expect(text).toBe(JSON.stringify(config));
      expect(await container.faults()).toContain(reason);
    },
  );
});
