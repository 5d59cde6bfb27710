import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Audience, accessOnHost, type ClientAccess, readAudience, trustFilesIn } from "../../clients/audience.ts";
import { proxyVariables, trustVariables, type Variables } from "../../clients/environment.ts";
import { FORMATS, type FormatName } from "../../clients/formats/formats.ts";
import { mustRun, runProgram } from "../support/programs.ts";

const proxyUrl = "http://127.0.0.1:3142";
/** What shells, systemd, ini files and JSON find special. */
const SPECIAL = `/srv/a b'c"d$e\`f\\g%h;i#j&k*l(m)!{n}|~o€`;

const HOST: Audience = { kind: "host" };

let folder: string;
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "larder-formats-")));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What the fragments of a larder say that keeps its trust files there. */
function accessWith(trustDir: string, more: Variables = {}): ClientAccess {
  const variables = { ...proxyVariables({ proxyUrl }), ...trustVariables(trustFilesIn(trustDir)), ...more };
  const access = accessOnHost(variables);
  if (access === undefined) throw new Error("fragments without a proxy");
  return access;
}

function render(format: FormatName, trustDir: string, { audience = HOST, more = {} }: Partial<Rendering> = {}): string {
  return FORMATS[format]({ onHost: accessWith(trustDir, more), audience });
}

interface Rendering {
  readonly audience: Audience;
  readonly more: Variables;
}

/** Writes it where a tool can read it. */
async function fileOf(name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

function readNul(stdout: Buffer, names: readonly string[]): Variables {
  const pairs = stdout
    .toString()
    .split("\0")
    .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]);
  return Object.fromEntries(pairs.filter(([name = ""]) => names.includes(name)));
}

describe("shells read back every variable", () => {
  const { variables } = accessWith(SPECIAL);
  const names = Object.keys(variables);

  for (const shell of ["bash", "dash"]) {
    test(`${shell}: --format sh is evaluated`, async () => {
      const script = `eval "$1"; env -0`;
      const said = await mustRun(shell, ["-c", script, shell, render("sh", SPECIAL)], { cwd: folder });
      expect(readNul(said, names)).toEqual(variables);
    });

    test(`${shell}: --format env is sourced`, async () => {
      const file = await fileOf("test.env", render("env", SPECIAL));
      const said = await mustRun(shell, ["-c", 'set -a; . "$0"; env -0', file], { cwd: folder });
      expect(readNul(said, names)).toEqual(variables);
    });
  }

  test("fish sources --format fish", async () => {
    const file = await fileOf("test.fish", render("fish", SPECIAL));
    const said = await mustRun("fish", ["--no-config", "-c", `source ${file}; env -0`], { cwd: folder });
    expect(readNul(said, names)).toEqual(variables);
  });
});

describe("--format systemd", () => {
  test("is a drop-in that systemd reads value for value", async () => {
    const units = join(folder, "units");
    await mkdir(join(units, "larder-test.service.d"), { recursive: true });
    const unit = join(units, "larder-test.service");
    await writeFile(unit, "[Service]\nExecStart=/bin/true\n");
    await writeFile(join(units, "larder-test.service.d/larder.conf"), render("systemd", SPECIAL));
    const env = { SYSTEMD_LOG_LEVEL: "debug", SYSTEMD_LOG_TARGET: "console" };
    const { code, stdout, stderr } = await runProgram("systemd-analyze", ["verify", "--man=no", unit], {
      cwd: folder,
      env,
    });
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/larder\.conf:\d+/);
    const read = [...stdout.toString().matchAll(/^\s*Environment: (.*)$/gm)].map(([, assignment]) => assignment);
    const { variables } = accessWith(SPECIAL);
    expect(read).toEqual(expect.arrayContaining(Object.entries(variables).map(([name, value]) => `${name}=${value}`)));
  });
});

describe("--format apt", () => {
  const aptPath = `/srv/a b'c$d\`e%f;g#h&i€`;

  test("is an apt.conf.d file", async () => {
    const config = await fileOf("apt.conf", render("apt", aptPath));
    const said = await mustRun("apt-config", ["dump", "--format=%f=%v%n"], {
      cwd: folder,
      env: { APT_CONFIG: config },
    });
    const settings = said.toString().split("\n");
    expect(settings).toContain(`Acquire::http::Proxy-Auto-Detect=${aptPath}/apt-proxy-detect`);
    expect(settings).toContain(`Acquire::https::Proxy-Auto-Detect=${aptPath}/apt-proxy-detect`);
    expect(settings).toContain(`Acquire::https::CAInfo=${aptPath}/bundle.pem`);
  });

  test("brings its script along for clients that have no copy of it", async () => {
    const config = await fileOf("vm-apt.conf", render("apt", "/srv", { audience: readAudience("vm") }));
    const env = { APT_CONFIG: config };
    const said = await mustRun("apt-config", ["dump", "--format=%f=%v%n"], { cwd: folder, env });
    expect(said.toString()).toContain("Acquire::http::Proxy-Auto-Detect=/etc/larder/apt-proxy-detect\n");
    const text = await readFile(config, "utf8");
    const script = /mode 755:\n([\s\S]*)$/.exec(text)?.[1]?.replace(/^\/\/ ?/gm, "") ?? "";
    expect(script).toMatch(/^#!\/bin\/bash\n/);
    expect(script).toContain("http://10.0.2.2:3142");
    const file = await fileOf("detect", script);
    await mustRun("bash", ["-n", file], { cwd: folder });
  });

  test("is refused a path that apt.conf cannot hold", () => {
    expect(() => render("apt", '/a"b')).toThrow(expect.objectContaining({ code: "CONFIG_BAD_VALUE" }));
  });
});

describe("package managers read it", () => {
  test("dnf", async () => {
    const file = await fileOf("dnf.conf", render("dnf", SPECIAL));
    const script = "import dnf, sys; c = dnf.Base().conf; c.read(sys.argv[1]); print(c.proxy); print(c.sslcacert)";
    // Debian's own Python, for which its dnf is installed.
    const said = await mustRun("/usr/bin/python3", ["-c", script, file], { cwd: folder });
    expect(said.toString()).toBe(`${proxyUrl}\n${SPECIAL}/bundle.pem\n`);
  });

  test("pip", async () => {
    const file = await fileOf("pip.conf", render("pip", SPECIAL));
    // `config get` of pip 23.0 does not look into this file.
    const said = await mustRun("pip3", ["config", "list"], { cwd: folder, env: { PIP_CONFIG_FILE: file } });
    const lines = said.toString().split("\n");
    const inPython = (text: string) => `'${text.replace(/[\\']/g, "\\$&")}'`;
    expect(lines).toContain(`global.cert=${inPython(`${SPECIAL}/bundle.pem`)}`);
    expect(lines).toContain(`global.proxy='${proxyUrl}'`);
  });

  test("npm, also where it would fill in a variable", async () => {
    const path = `${SPECIAL}\${HOME}`;
    const file = await fileOf("npmrc", render("npm", path));
    const said = await mustRun("npm", ["config", "ls", "--json", `--userconfig=${file}`], { cwd: folder });
    expect(JSON.parse(said.toString())).toMatchObject({
      cafile: `${path}/bundle.pem`,
      proxy: proxyUrl,
      "https-proxy": proxyUrl,
      // npm joins a list by commas before it reads one.
      noproxy: ["localhost,127.0.0.1,::1,host.containers.internal"],
    });
  });

  test("nix, whose older releases know NIX_SSL_CERT_FILE only", async () => {
    await fileOf("nix.conf", render("nix", "/srv/a b'c\"d$e"));
    const env = { NIX_CONF_DIR: folder, NIX_USER_CONF_FILES: "", NIX_STORE_DIR: join(folder, "nix") };
    const args = ["--extra-experimental-features", "nix-command", "show-config", "--json"];
    const { code, stdout, stderr } = await runProgram("nix", args, { cwd: folder, env });
    expect(code).toBe(0);
    const setting = JSON.parse(stdout.toString())["ssl-cert-file"];
    if (setting === undefined) expect(stderr).toBe("warning: unknown setting 'ssl-cert-file'\n");
    else expect(setting.value).toBe("/srv/a b'c\"d$e/bundle.pem");
  });

  test("nix is refused a path that its file cannot hold", () => {
    for (const path of ["/a#b", "/a  b", "/a\tb"])
      expect(() => render("nix", path)).toThrow(expect.objectContaining({ code: "CONFIG_BAD_VALUE" }));
  });
});

describe("--format json", () => {
  test("holds everything, unquoted", () => {
    const { proxyUrl: url, noProxy, bundleFile, caFile, variables } = accessWith(SPECIAL, { BASE_IMAGE: "debian:12" });
    const read: unknown = JSON.parse(render("json", SPECIAL, { more: { BASE_IMAGE: "debian:12" } }));
    expect(read).toEqual({ proxyUrl: url, noProxy, bundleFile, caFile, variables });
  });
});

describe("a value that does not fit on a line", () => {
  test.for(Object.keys(FORMATS).filter((name) => name !== "json") as FormatName[])("is refused for %s", (format) => {
    expect(() => render(format, "/a\nb")).toThrow(expect.objectContaining({ code: "CONFIG_BAD_VALUE" }));
  });
});

describe("--format podman and docker: arguments for run and create, one a line", () => {
  test("podman", () => {
    const lines = render("podman", "/srv/cache/trust", { audience: readAudience("container") })
      .trimEnd()
      .split("\n");
    for (const line of lines) expect(line).toMatch(/^--[a-z-]+=/);
    expect(lines.slice(0, 3)).toEqual([
      "--env-host=false",
      "--volume=/srv/cache/trust:/dev/larder:ro,z",
      "--env=http_proxy=http://host.containers.internal:3142",
    ]);
    expect(lines).toContain("--env=SSL_CERT_FILE=/dev/larder/bundle.pem");
    expect(lines).toContain("--env=NODE_EXTRA_CA_CERTS=/dev/larder/ca.pem");
    expect(lines).toContain("--env=APT_CONFIG=/dev/larder/apt.conf");
    expect(lines.filter((line) => line.includes("/srv/")).length).toBe(1);
  });

  test("docker, under its own name for the host", () => {
    const audience: Audience = { kind: "container", host: "host.docker.internal" };
    const lines = render("docker", "/srv/cache/trust", { audience }).trimEnd().split("\n");
    expect(lines[0]).toBe("--add-host=host.docker.internal:host-gateway");
    expect(lines).toContain("--env=https_proxy=http://host.docker.internal:3142");
  });

  test("for a container on this machine's network, which they put it on", () => {
    const lines = render("podman", "/srv/cache/trust").trimEnd().split("\n");
    expect(lines).toContain("--network=host");
    expect(lines).toContain(`--env=http_proxy=${proxyUrl}`);
    expect(lines).toContain("--env=SSL_CERT_FILE=/dev/larder/bundle.pem");
  });

  test("are refused a folder that --volume cannot name", () => {
    expect(() => render("podman", "/a:b")).toThrow(expect.objectContaining({ code: "CONFIG_BAD_VALUE" }));
  });
});

describe("--for", () => {
  test.for<[whom: string, url: string, bundle: string]>([
    ["host", proxyUrl, "/srv/bundle.pem"],
    ["container", "http://host.containers.internal:3142", "/dev/larder/bundle.pem"],
    ["vm", "http://10.0.2.2:3142", "/etc/larder/bundle.pem"],
    ["builder.example", "http://builder.example:3142", "/etc/larder/bundle.pem"],
    ["builder.example:8080", "http://builder.example:8080", "/etc/larder/bundle.pem"],
    ["192.0.2.7", "http://192.0.2.7:3142", "/etc/larder/bundle.pem"],
    ["[fd00::1]", "http://[fd00::1]:3142", "/etc/larder/bundle.pem"],
  ])("%s", ([whom, url, bundle]) => {
    const { variables, noProxy } = JSON.parse(
      render("json", "/srv", { audience: readAudience(whom), more: { MINE: "1" } }),
    );
    for (const name of ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"]) expect(variables[name]).toBe(url);
    expect(variables).toMatchObject({ SSL_CERT_FILE: bundle, MINE: "1", no_proxy: noProxy, NO_PROXY: noProxy });
    const { hostname } = new URL(url);
    expect(noProxy.split(",")).toContain(hostname.replace(/^\[|\]$/g, ""));
  });

  test.for([
    [""],
    ["fe80::1%eth0"],
    ["[fe80::1%25eth0]:3142"],
    ["a b"],
    ["builder.example:0x"],
    ["http://builder.example"],
  ])("%j is refused", ([whom = ""]) => {
    expect(() => readAudience(whom)).toThrow(expect.objectContaining({ code: "CONFIG_BAD_VALUE" }));
  });
});
