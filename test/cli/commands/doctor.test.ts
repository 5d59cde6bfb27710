import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { Finding } from "../../../cli/doctor/finding.ts";
import { mountTmpfs } from "../../storage/tmpfs.ts";
import { BASE_IMAGE, makeBaseImage } from "../../support/clients/base-image.ts";
import { test } from "../../support/fixtures.ts";
import { runLarder } from "../../support/larder.ts";

interface Report {
  readonly code: number | null;
  readonly isHealthy: boolean;
  /** By the name of the check. */
  readonly found: Readonly<Record<string, Finding>>;
}

/** What the doctor finds in that folder. */
async function examine(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Report> {
  const { code, stdout } = await runLarder(["doctor", "--json", ...args], { folder, env });
  const { isHealthy, findings } = JSON.parse(stdout.toString()) as { isHealthy: boolean; findings: readonly Finding[] };
  return { code, isHealthy, found: Object.fromEntries(findings.map((finding) => [finding.check, finding])) };
}

const WITHOUT_CONTAINERS = ["--no-containers"];
/** The tools that every variable of ours reaches. */
const TOLD_BY_VARIABLE = ["curl", "git", "python3", "pip3", "node", "npm", "nix"].map((name) => `trust of ${name}`);

describe("larder doctor", () => {
  test("where nothing runs: says so, how to mend it, and makes nothing", async ({ folder }) => {
    const { code, isHealthy, found } = await examine(folder, WITHOUT_CONTAINERS);
    expect({ code, isHealthy }).toEqual({ code: 1, isHealthy: false });
    expect(found["proxy"]).toMatchObject({ outcome: "bad", cure: "start one with `larder serve`" });
    expect(found["CA"]).toMatchObject({ outcome: "note", says: expect.stringMatching(/^none yet/) });
    expect(found["fragments"]).toMatchObject({ outcome: "note" });
    expect(await readFile(join(folder, "config/larder/ca/ca.pem")).catch(() => "none")).toBe("none");
  });

  test("beside a running one: finds all of it good, and which tools trust the CA in this environment", async ({
    larder,
  }) => {
    const plain = await examine(larder.folder, WITHOUT_CONTAINERS);
    expect(plain).toMatchObject({ code: 0, isHealthy: true });
    for (const check of ["proxy", "fragments", "CA", "disk"]) expect(plain.found[check]?.outcome, check).toBe("good");
    for (const check of TOLD_BY_VARIABLE)
      expect(plain.found[check], check).toMatchObject({ outcome: "note", cure: expect.stringContaining("proxy-env") });

    const { variables } = JSON.parse((await larder.command("proxy-env", "--format", "json")).stdout.toString());
    const told = await examine(larder.folder, WITHOUT_CONTAINERS, variables);
    expect(told).toMatchObject({ code: 0, isHealthy: true });
    for (const check of TOLD_BY_VARIABLE) expect(told.found[check]?.outcome, check).toBe("good");
  });

  test("a shell that goes through larder with roots of another is told which tools will fail", async ({ larder }) => {
    const roots = "/etc/ssl/certs/ca-certificates.crt";
    const env = { https_proxy: larder.url, SSL_CERT_FILE: roots, CURL_CA_BUNDLE: roots };
    const { code, found } = await examine(larder.folder, WITHOUT_CONTAINERS, env);
    expect(code).toBe(1);
    expect(found["trust of curl"]).toMatchObject({ outcome: "bad", cure: 'eval "$(larder proxy-env --format sh)"' });
  });

  test("one that was stopped, and does not answer, holds nobody up", async ({ larder }) => {
    process.kill(larder.pid, "SIGSTOP");
    try {
      const { code, found } = await examine(larder.folder, WITHOUT_CONTAINERS);
      expect(code).toBe(1);
      expect(found["proxy"]).toMatchObject({
        outcome: "bad",
        says: expect.stringContaining("has not answered"),
        cure: expect.stringContaining("end it"),
      });
    } finally {
      process.kill(larder.pid, "SIGCONT");
    }
  });

  test("a CA key that others may read, and a disk with little space left, are found, each with its cure", async ({
    larder,
    folder,
  }) => {
    await chmod(join(larder.folder, "config/larder/ca/ca.key"), 0o644);
    const disk = await mountTmpfs(folder, 1024 * 1024);
    try {
      const { code, found } = await examine(larder.folder, [...WITHOUT_CONTAINERS, "--root", disk.folder]);
      expect(code).toBe(1);
      expect(found["CA"]).toMatchObject({ outcome: "bad", cure: expect.stringContaining("chmod 600") });
      expect(found["disk"]).toMatchObject({ outcome: "bad", cure: expect.stringContaining("larder store gc") });
    } finally {
      await disk.unmount();
    }
  });

  test("an engine that does not work is told in its own words", async ({ folder }) => {
    const conf = join(folder, "containers.conf");
    await writeFile(conf, "[engine]\nruntime = 1\n");
    const { found } = await examine(folder, [], { CONTAINERS_CONF: conf });
    expect(found["engine"]).toMatchObject({
      outcome: "bad",
      says: expect.stringMatching(/^podman info fails: .*containers\.conf/),
      cure: expect.stringContaining("podman"),
    });
  });

  test("a killed one has left fragments that hold no more: each has its cure, in a text for people", async ({
    larder,
  }) => {
    await larder.kill();
    const { code, stdout } = await larder.command("doctor", "--no-containers");
    const text = stdout.toString();
    expect(code).toBe(1);
    expect(text).toMatch(/^BAD {3}proxy .*no larder serves .*\n.*→ start one with `larder serve`$/m);
    expect(text).toMatch(/^BAD {3}fragments .*NOT_RUNNING: .*\n.*→ .*`larder env remove`$/m);
  });
});

describe("larder doctor has a throw-away container look for the proxy", () => {
  /** Engines that keep out of the machine's own storage; `netns` is how a container is connected where nothing is said. */
  async function engineEnvironment(folder: string, netns: string): Promise<Record<string, string>> {
    const storage = await makeBaseImage();
    const [root = "", run = ""] = [storage[1], storage[3]];
    const conf = [
      "[containers]",
      'default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]',
      `netns = "${netns}"`,
      "[engine]",
      'runtime = "runc"',
      'cgroup_manager = "cgroupfs"',
      "",
    ];
    await writeFile(join(folder, "containers.conf"), conf.join("\n"));
    await writeFile(join(folder, "storage.conf"), `[storage]\ngraphroot = "${root}"\nrunroot = "${run}"\n`);
    return {
      CONTAINERS_CONF: join(folder, "containers.conf"),
      CONTAINERS_STORAGE_CONF: join(folder, "storage.conf"),
      BASE_IMAGE,
    };
  }

  test("which reaches it on this machine's network, and is told how where it does not", { timeout: 300_000 }, async ({
    larder,
    folder,
  }) => {
    const reached = await examine(larder.folder, [], await engineEnvironment(folder, "host"));
    expect(reached.found["engine"]).toMatchObject({ outcome: "good", says: expect.stringMatching(/^podman .*runc/) });
    expect(reached.found["container"]).toMatchObject({
      outcome: "good",
      says: expect.stringContaining(`reaches larder at 127.0.0.1:${larder.port}`),
    });
    expect(reached.found["SELinux"]).toBeDefined();

    const apart = await examine(larder.folder, [], await engineEnvironment(folder, "none"));
    expect(apart.code).toBe(1);
    expect(apart.found["container"]).toMatchObject({
      outcome: "bad",
      cure: expect.stringMatching(/--allow|--network/),
    });
  });

  test("and says plainly when the image is not there", { timeout: 300_000 }, async ({ larder, folder }) => {
    const env = { ...(await engineEnvironment(folder, "host")), BASE_IMAGE: "localhost/no-such-image" };
    const { found } = await examine(larder.folder, [], env);
    expect(found["container"]).toMatchObject({ outcome: "bad", cure: expect.stringContaining("--image") });
  });
});
