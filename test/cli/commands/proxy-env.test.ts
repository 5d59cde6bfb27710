import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { createAptClient } from "../../support/clients/apt-client.ts";
import { test } from "../../support/fixtures.ts";
import { larderEnvironment, PROGRAM, runLarder } from "../../support/larder.ts";
import { mustRun, runProgram } from "../../support/programs.ts";

describe("larder proxy-env without a proxy's help", () => {
  test("prints the fragments verbatim in glob order", async ({ folder }) => {
    await mkdir(join(folder, "store/env.d"), { recursive: true });
    await writeFile(join(folder, "store/env.d/20-b.env"), "B='2'\n");
    await writeFile(join(folder, "store/env.d/10-a.env"), "# a\nA='1'\n");
    await writeFile(join(folder, "store/env.d/.10-a.env.77"), "half of a");
    await writeFile(join(folder, "store/env.d/readme.txt"), "not a fragment");
    const outcome = await runLarder(["proxy-env", "--root", "store"], { folder });
    expect(outcome).toMatchObject({ code: 0, stderr: "" });
    expect(outcome.stdout.toString()).toBe("# a\nA='1'\nB='2'\n");
  });

  test("without fragments prints nothing on stdout, a hint on stderr, and exits with 0", async ({ folder }) => {
    const outcome = await runLarder(["proxy-env"], { folder });
    expect(outcome).toMatchObject({ code: 0, stdout: Buffer.alloc(0) });
    expect(outcome.stderr).toBe(`larder: no proxy serves ${folder}/cache/larder; start one with \`larder serve\`\n`);
    for (const format of ["sh", "podman", "json"])
      expect(await runLarder(["proxy-env", "--format", format], { folder })).toMatchObject({
        code: 0,
        stdout: Buffer.alloc(0),
      });
  });

  test("refuses to render what only a shell could read", async ({ folder }) => {
    await mkdir(join(folder, "store/env.d"), { recursive: true });
    await writeFile(join(folder, "store/env.d/10-a.env"), "A=$HOME\n");
    const outcome = await runLarder(["proxy-env", "--root", "store", "--format", "fish"], { folder });
    expect(outcome).toMatchObject({ code: 2, stdout: Buffer.alloc(0) });
    expect(outcome.stderr).toContain('CONFIG_BAD_VALUE: a fragment in env.d holds "A=$HOME"');
  });
});

describe("beside a running proxy, larder proxy-env", () => {
  test("--format sh points a shell at it, where curl comes through and trusts it", async ({ larder, secureOrigin }) => {
    secureOrigin.serve("/hello", (_, response) => void response.end("hello"));
    const { stdout } = await larder.command("proxy-env", "--format", "sh");
    const script = 'eval "$1"; unset no_proxy NO_PROXY; curl -fsS "$2"';
    const said = await mustRun("sh", ["-c", script, "sh", stdout.toString(), `${secureOrigin.url}/hello`], {
      cwd: larder.folder,
    });
    expect(said.toString()).toBe("hello");
    const target = `${secureOrigin.url}/hello`;
    await expect.poll(() => larder.logged("exchange")).toContainEqual(expect.objectContaining({ target }));
  });

  test("renders what the user added to env.d, too, and lets it have the last word", async ({ larder }) => {
    await writeFile(join(larder.folder, "cache/larder/env.d/90-own.env"), "MINE='a b'\nno_proxy=.corp.example\n");
    const { stdout } = await larder.command("proxy-env", "--format", "json", "--for", "container");
    const { variables, proxyUrl, noProxy } = JSON.parse(stdout.toString());
    expect(proxyUrl).toBe(`http://host.containers.internal:${larder.port}`);
    expect(variables).toMatchObject({ MINE: "a b", https_proxy: proxyUrl });
    expect(noProxy.split(",")).toContain(".corp.example");
  });

  test("names no loopback address to anything with a network of its own", async ({ larder }) => {
    for (const args of [
      ["--for", "container"],
      ["--for", "vm"],
      ["--for", "builder.example"],
      ["--format", "podman"],
      ["--format", "docker"],
      ["--format", "sh", "--for", "container"],
    ]) {
      const { code, stdout } = await larder.command("proxy-env", ...args);
      const urls = stdout.toString().match(/http:\/\/[^\s'"]+/g) ?? [];
      expect(code).toBe(0);
      expect(urls.length, args.join(" ")).toBeGreaterThan(0);
      expect(
        urls.filter((url) => /127\.|localhost|\[::1\]/.test(url)),
        args.join(" "),
      ).toEqual([]);
    }
  });
});

describe("larder proxy-env --check", () => {
  test("prints as ever while the proxy answers with the CA that the fragments name", async ({ larder }) => {
    const checked = await larder.command("proxy-env", "--check");
    expect(checked).toMatchObject({ code: 0, stderr: "" });
    expect(checked.stdout).toEqual((await larder.command("proxy-env")).stdout);
  });

  test("exits with 1, and prints nothing to evaluate, when nothing runs", async ({ folder }) => {
    const outcome = await runLarder(["proxy-env", "--check"], { folder });
    expect(outcome).toMatchObject({ code: 1, stdout: Buffer.alloc(0) });
    expect(outcome.stderr).toMatch(/start one with `larder serve`/);
  });

  test("exits with 1 when the proxy was killed and left its fragments behind; they can be removed", async ({
    larder,
  }) => {
    await larder.kill();
    expect((await larder.command("proxy-env")).stdout.toString()).toContain(larder.url);
    const checked = await larder.command("proxy-env", "--check", "--format", "sh");
    expect(checked).toMatchObject({ code: 1, stdout: Buffer.alloc(0) });
    expect(checked.stderr).toMatch(
      /^larder: NOT_RUNNING: no larder at .* \(ECONNREFUSED\); start `larder serve`, or .*\n$/,
    );
    expect((await larder.command("env", "remove")).code).toBe(0);
    expect(await larder.command("proxy-env")).toMatchObject({ code: 0, stdout: Buffer.alloc(0) });
  });

  test("exits with 1 when something else took the port", async ({ larder }) => {
    await larder.kill();
    const stranger = createServer((_, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => stranger.listen(larder.port, "127.0.0.1", resolve));
    const checked = await larder.command("proxy-env", "--check");
    await new Promise((resolve) => stranger.close(resolve));
    expect(checked.code).toBe(1);
    expect(checked.stderr).toMatch(/NOT_RUNNING: .*it answers 404, as no larder does/);
  });

  test("exits with 1 when the CA is another one", async ({ larder, startLarder }) => {
    const other = await startLarder();
    const trust = join(larder.folder, "cache/larder/trust");
    await writeFile(join(trust, "ca.pem"), await readFile(join(other.folder, "cache/larder/trust/ca.pem")));
    const changed = await larder.command("proxy-env", "--check");
    expect(changed).toMatchObject({ code: 1, stdout: Buffer.alloc(0) });
    expect(changed.stderr).toMatch(/^larder: CA_CHANGED: .*ca\.pem does not hold the CA of the larder at /);
    await rm(join(trust, "ca.pem"));
    expect((await larder.command("proxy-env", "--check")).stderr).toMatch(/^larder: CA_UNREADABLE: /);
  });

  test("does not go by the proxy that the environment names", async ({ larder }) => {
    const env = { http_proxy: "http://127.0.0.1:1", NODE_USE_ENV_PROXY: "1" };
    expect((await runLarder(["proxy-env", "--check"], { folder: larder.folder, env })).code).toBe(0);
  });
});

describe("larder env write", () => {
  test("brings fragments back as the proxy wrote them, and the base image where one is given", async ({ larder }) => {
    const env = join(larder.folder, "cache/larder/env.d");
    const before = await readFile(join(env, "10-proxy.env"), "utf8");
    await rm(env, { recursive: true });
    expect(await larder.command("env", "write", "--base-image", "debian:12")).toMatchObject({ code: 0, stderr: "" });
    expect(await readdir(env)).toEqual(["10-proxy.env", "20-ca.env", "30-build.env"]);
    expect(await readFile(join(env, "10-proxy.env"), "utf8")).toBe(before);
    expect(await readFile(join(env, "30-build.env"), "utf8")).toMatch(/^BASE_IMAGE=debian:12$/m);
    await larder.command("env", "write");
    expect(await readdir(env)).toEqual(["10-proxy.env", "20-ca.env"]);
  });

  test("leaves the fragments of the user alone, as the proxy does when it stops", async ({ larder }) => {
    const env = join(larder.folder, "cache/larder/env.d");
    await writeFile(join(env, "50-own.env"), "MINE=1\n");
    await larder.command("env", "write");
    await larder.stop();
    expect(await readdir(env)).toEqual(["50-own.env"]);
  });

  test("writes what every user may read, whatever the umask says", async ({ larder }) => {
    const folder = join(larder.folder, "cache/larder");
    const written = join(folder, "env.d/10-proxy.env");
    await rm(written);
    const script = 'umask 077; exec "$@"';
    const env = larderEnvironment(larder.folder);
    await mustRun("sh", ["-c", script, "sh", process.execPath, PROGRAM, "env", "write"], { cwd: larder.folder, env });
    const modes = [
      "env.d/10-proxy.env",
      "trust/ca.pem",
      "trust/bundle.pem",
      "trust/apt.conf",
      "trust/apt-proxy-detect",
    ];
    const found = await Promise.all(
      modes.map(async (name) => ((await stat(join(folder, name))).mode & 0o777).toString(8)),
    );
    expect(found).toEqual(["644", "644", "644", "644", "755"]);
  });
});

describe("apt, told by larder proxy-env --format apt", () => {
  const NOWHERE = { keyring: "/nonexistent" };

  test("comes through the proxy while it runs, and goes to the origin itself once it is gone", async ({
    larder,
    origin,
    folder,
  }) => {
    const asked: (string | undefined)[] = [];
    origin.serve("/", (request, response) => {
      asked.push(request.headers.via);
      response.writeHead(404).end();
    });
    const config = await createAptClient({ folder: join(folder, "apt"), repository: NOWHERE, urls: [origin.url] });
    const trust = join(folder, "trust");
    await cp(join(larder.folder, "cache/larder/trust"), trust, { recursive: true });
    const { stdout, stderr: warned } = await larder.command("proxy-env", "--format", "apt", "--trust-dir", trust);
    expect(warned).toBe("");
    await writeFile(join(folder, "apt/etc/apt.conf.d/90larder"), stdout);
    const update = () => runProgram("apt-get", ["update"], { cwd: folder, env: { APT_CONFIG: config } });

    await update();
    expect(asked.length).toBeGreaterThan(0);
    expect(asked).not.toContain(undefined);

    await larder.stop();
    asked.length = 0;
    const { stderr } = await update();
    expect(stderr).toMatch(/does not have a Release file/);
    expect(asked.length).toBeGreaterThan(0);
    expect(new Set(asked)).toEqual(new Set([undefined]));
  });

  test("is warned of a store that _apt may not enter", async ({ folder }) => {
    const root = join(folder, "private/store");
    await mkdir(join(root, "env.d"), { recursive: true, mode: 0o700 });
    await mkdir(join(root, "trust"));
    const line = (name: string, value: string) => `${name}=${value}\n`;
    const text = line("http_proxy", "http://127.0.0.1:1") + line("SSL_CERT_FILE", `${root}/trust/bundle.pem`);
    await writeFile(join(root, "env.d/10.env"), text + line("NODE_EXTRA_CA_CERTS", `${root}/trust/ca.pem`));
    const outcome = await runLarder(["proxy-env", "--root", root, "--format", "apt"], { folder });
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toMatch(
      /^larder: apt downloads as _apt, which may not enter .*; run `cp -rT .*` and add --trust-dir \/etc\/larder here\n$/,
    );
  });
});
