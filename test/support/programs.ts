import { spawn } from "node:child_process";
import { dirname } from "node:path";
import { systemCode } from "../../core/errors.ts";

/** Which Debian package brings a program; `.ci/install` installs them all. */
const PACKAGES: Readonly<Record<string, string>> = {
  "apt-config": "apt",
  buildah: "buildah",
  busybox: "busybox-static",
  "apt-ftparchive": "apt-utils",
  "apt-get": "apt",
  aria2c: "aria2",
  "avahi-browse": "avahi-utils",
  "avahi-daemon": "avahi-daemon",
  bzip2: "bzip2",
  createrepo_c: "createrepo-c",
  curl: "curl",
  dnf: "dnf",
  dnsmasq: "dnsmasq-base",
  "docker-compose": "docker-compose",
  "dbus-daemon": "dbus-daemon",
  "dpkg-deb": "dpkg",
  "dpkg-source": "dpkg-dev",
  fish: "fish",
  flock: "util-linux",
  git: "git",
  gpg: "gnupg",
  gpgconf: "gnupg",
  gpgv: "gpgv",
  mmdebstrap: "mmdebstrap",
  modifyrepo_c: "createrepo-c",
  nix: "nix-bin",
  "nix-build": "nix-bin",
  "nix-instantiate": "nix-bin",
  "nix-store": "nix-bin",
  npm: "npm",
  nsenter: "util-linux",
  openssl: "openssl",
  pip3: "python3-pip",
  podman: "podman",
  "podman-compose": "podman-compose",
  python3: "python3",
  "qemu-system-x86_64": "qemu-system-x86",
  rpmbuild: "rpm",
  "systemd-analyze": "systemd",
  wget: "wget",
  xz: "xz-utils",
  zck: "zchunk",
  zstd: "zstd",
};

/** Debian's programs come before whatever else the machine has; Node's own folder first, for `node` and `npm`. */
const PATH = [
  dirname(process.execPath),
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
].join(":");

export interface ProgramOptions {
  /** Added to an environment that otherwise holds PATH, HOME and a neutral locale only. */
  readonly env?: Readonly<Record<string, string>>;
  /** The working directory, and HOME unless `env` says otherwise. */
  readonly cwd: string;
  readonly stdin?: string;
}

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** The environment of every program a test starts: nothing of the machine's proxies, certificates or configuration. */
export function cleanEnvironment(home: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH, HOME: home, LC_ALL: "C.UTF-8", TZ: "UTC", ...more };
}

/** Runs a program to its end. @throws when it is not installed, naming it and the package that brings it. */
export async function runProgram(program: string, args: readonly string[], options: ProgramOptions): Promise<Outcome> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: cleanEnvironment(options.cwd, options.env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.stdin ?? "");
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(systemCode(error) === "ENOENT" ? missing(program) : error));
    child.once("close", (code, signal) =>
      resolve({ code, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }),
    );
  });
}

/** Runs a program that must succeed, and gives its standard output. @throws with everything it said when it fails. */
export async function mustRun(program: string, args: readonly string[], options: ProgramOptions): Promise<Buffer> {
  const outcome = await runProgram(program, args, options);
  if (outcome.code === 0) return outcome.stdout;
  const ending = outcome.signal ?? `exit ${outcome.code}`;
  throw new Error(`${program} ${args.join(" ")}: ${ending}\n${outcome.stderr}\n${outcome.stdout.toString()}`);
}

function missing(program: string): Error {
  const name = PACKAGES[program];
  const cure = name === undefined ? "" : `; run: apt-get install ${name} (or .ci/install)`;
  return new Error(`this test needs the program ${program}, which is not installed${cure}`);
}
