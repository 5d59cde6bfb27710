import { execFileSync } from "node:child_process";
import { appendFile, mkdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { describe, expect } from "vitest";
import type { RunPlan } from "../../runtime/plan.ts";
import { renderShim } from "../../runtime/shim.ts";
import { test as base } from "../support/fixtures.ts";
import { runProgram } from "../support/programs.ts";

const PROGRAMS = resolve(import.meta.dirname, "../../dist/runtime");
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
    lentDir: file("lent"),
    faultsFile: file("faults"),
  };
  await writeFile(file("plan.json"), JSON.stringify(plan));
  const runtimeFile = file("runtime");
  await writeFile(runtimeFile, '#!/bin/sh\necho "$@"\nexit 7\n', { mode: 0o755 });
  const shim = renderShim({
    runtimeFile,
    nodeFile: process.execPath,
    programsDir: PROGRAMS,
    planFile: file("plan.json"),
    ...plan,
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
    expect(sourceOf(again.text, "/etc/dnf")).toBe("");
  });

  test("is not held up by what an image puts in a file's place", async ({ container }) => {
    execFileSync("mkfifo", [join(container.rootDir, "etc/ssl/certs/ca-certificates.crt")]);
    const { text } = await container.start(container.config);
    expect(await readFile(join(sourceOf(text, "/dev/larder"), "bundle.pem"), "utf8")).toBe("HOST\nCA\n");
  });

  describe("lends an image's dnf.conf with the roots named in it", () => {
    const withConf = test.extend("conf", async ({ container }) => {
      const file = join(container.rootDir, "etc/dnf/dnf.conf");
      await writeFile(file, "[main]\ngpgcheck=1\n");
      return file;
    });

    withConf("in a copy of its folder", async ({ container, conf: _ }) => {
      const { text } = await container.start(container.config);
      const lent = join(sourceOf(text, "/etc/dnf"), "dnf.conf");
      expect(await readFile(lent, "utf8")).toBe("[main]\nsslcacert=/dev/larder/bundle.pem\ngpgcheck=1\n");
    });

    withConf("and takes back what its container has changed before that is deleted", async ({ container, conf }) => {
      const { text } = await container.start(container.config);
      await appendFile(join(sourceOf(text, "/etc/dnf"), "dnf.conf"), "keepcache=1\n");
      const { outcome } = await container.start(container.config, "delete", "c");
      expect(outcome).toMatchObject({ code: 7 });
      expect(outcome.stdout.toString()).toBe("delete c\n");
      expect(await readFile(conf, "utf8")).toBe("[main]\ngpgcheck=1\nkeepcache=1\n");
    });

    withConf("and has the build fail that cannot get back what is its own", async ({ container, conf }) => {
      const { text } = await container.start(container.config);
      await appendFile(join(sourceOf(text, "/etc/dnf"), "dnf.conf"), "keepcache=1\n");
      await rename(dirname(conf), `${dirname(conf)}-moved`);
      const { outcome } = await container.start(container.config, "delete", "c");
      expect(outcome).toMatchObject({ code: 1 });
      expect(outcome.stdout.toString()).toBe("delete c\n");
      expect(await container.faults()).toContain("/etc/dnf was moved away");
    });

    withConf("not one that names roots of its own, nor what is mounted there already", async ({ container, conf }) => {
      const mounts = [...container.config.mounts, { destination: "/etc/dnf/dnf.conf", type: "bind" }];
      const mounted = await container.start({ ...container.config, mounts });
      expect(sourceOf(mounted.text, "/etc/dnf")).toBe("");
      await writeFile(conf, "[main]\nsslcacert=/etc/own.pem\n");
      expect(sourceOf((await container.start(container.config)).text, "/etc/dnf")).toBe("");
    });
  });

  test("labels what a container is given as the container is, for every one of its kind", async ({ container }) => {
    const linux = { mountLabel: "system_u:object_r:container_file_t:s0:c12,c34" };
    const { text } = await container.start({ ...container.config, linux });
    const given = sourceOf(text, "/dev/larder");
    for (const path of [given, join(given, "bundle.pem")])
      expect(execFileSync("stat", ["--format=%C", path]).toString()).toBe("system_u:object_r:container_file_t:s0\n");
  });

  test("has its own mounts behind those of the engine, whose /dev they are below", async ({ container }) => {
    const { text } = await container.start(container.config);
    const paths = (JSON.parse(text).mounts as { destination: string }[]).map(({ destination }) => destination);
    expect(paths).toEqual(["/dev", "/dev/larder"]);
  });

  describe("with a cache folder that the engine mounts", () => {
    const cacheTest = test.extend("isMounted", ({ container }) => async (script: string) => {
      const cache = { destination: "/var/cache/dnf", type: "overlay" };
      const process = { env: [], args: ["/bin/sh", "-c", script] };
      const config = { ...container.config, process, mounts: [...container.config.mounts, cache] };
      const { text } = await container.start(config);
      return sourceOf(text, "/dev/larder") !== "" && text.includes('"destination":"/var/cache/dnf"');
    });

    cacheTest("spares a RUN the folder that nothing in it uses: it would stay", async ({ container, isMounted }) => {
      expect(await isMounted("dnf install --yes app")).toBe(false);
      await mkdir(join(container.rootDir, "usr/bin"), { recursive: true });
      await symlink("dnf-3", join(container.rootDir, "usr/bin/dnf"));
      expect(await isMounted("dnf install --yes app")).toBe(false);
      await writeFile(join(container.rootDir, "usr/bin/dnf-3"), "");
      expect(await isMounted("dnf install --yes app")).toBe(true);
      expect(await isMounted("cd /;/usr/bin/dnf install --yes app")).toBe(true);
      expect(await isMounted("touch /app /etc/dnfx")).toBe(false);
      await mkdir(join(container.rootDir, "var/cache/dnf"), { recursive: true });
      expect(await isMounted("touch /app")).toBe(true);
    });

    cacheTest("has it for a RUN that names it", async ({ isMounted }) => {
      expect(await isMounted("ls /var/cache/dnf")).toBe(true);
    });

    cacheTest.for([
      "dnf install app && rm -rf /var/cache/dnf",
      "dnf install app; rm -rf -- /tmp/x '/var/cache/dnf/' && true",
      "rm -rf /var/cache/* /var/log/*",
      "dnf install app && \\\n rm -rf /var/{tmp,cache}/{yum,dnf}",
      "rm -r /var/cache/d?f",
    ])("does not stand in the way of a RUN that removes it: %s", async (script, { container, isMounted }) => {
      await mkdir(join(container.rootDir, "var/cache/dnf"), { recursive: true });
      expect(await isMounted(script)).toBe(false);
    });

    cacheTest.for([
      "dnf install app && rm -rf /var/cache/dnf/*",
      "rm -rf /var/cache/yum; ls /var/cache/dnf",
      "rm -rf /tmp/{ && ls /var/cache",
      "rm -rf var/cache/dnf.bak",
    ])(
      "is kept for a RUN that removes only what is in it, or something else: %s",
      async (script, { container, isMounted }) => {
        await mkdir(join(container.rootDir, "var/cache/dnf"), { recursive: true });
        expect(await isMounted(script)).toBe(true);
      },
    );
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
