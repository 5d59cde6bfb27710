import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { renderCloudInitSeed } from "../../clients/vm/cloud-init.ts";
import { renderGuestScript } from "../../clients/vm/guest-script.ts";
import {
  proxyUrlInGuest,
  renderKernelWords,
  renderQemuArguments,
  withKernelWords,
} from "../../clients/vm/qemu-arguments.ts";
import { createAuthority } from "../support/authority.ts";
import { type Outcome, runProgram } from "../support/programs.ts";

const facts = { proxyUrl: "http://10.0.2.2:3142", caSha256: "ab".repeat(32) };
const files = { caFile: "/store/trust/ca.pem", guestScript: "/store/trust/guest.sh", seedDir: undefined };
const open = { port: 3142, isolatedBy: undefined };

describe("QEMU's arguments", () => {
  test("are user networking, and what the guest is told through fw_cfg", () => {
    expect(renderQemuArguments(open, facts, files)).toEqual([
      ...["-netdev", "user,id=larder", "-device", "virtio-net-pci,netdev=larder"],
      ...["-fw_cfg", "name=opt/larder/proxy,string=http://10.0.2.2:3142"],
      ...["-fw_cfg", `name=opt/larder/ca-sha256,string=${facts.caSha256}`],
      ...["-fw_cfg", "name=opt/larder/ca.pem,file=/store/trust/ca.pem"],
      ...["-fw_cfg", "name=opt/larder/guest.sh,file=/store/trust/guest.sh"],
    ]);
  });

  test("of an isolated guest forward one address to a command, each word of it whole", () => {
    const access = { port: 0, isolatedBy: ["/a b/larder", "gateway", "it's"] };
    expect(proxyUrlInGuest(access)).toBe("http://10.0.2.100:3142");
    expect(renderQemuArguments(access, facts, files)).toContain(
      `user,id=larder,restrict=on,guestfwd=tcp:10.0.2.100:3142-cmd:'/a b/larder' gateway 'it'\\''s'`,
    );
  });

  test("hold a comma of a path doubled, and no line break", () => {
    const odd = { ...files, caFile: "/a,b/ca.pem", seedDir: "/c,d" };
    expect(renderQemuArguments(open, facts, odd)).toEqual(
      expect.arrayContaining([
        "name=opt/larder/ca.pem,file=/a,,b/ca.pem",
        "if=virtio,read-only=on,driver=vvfat,dir=/c,,d,label=CIDATA",
      ]),
    );
    expect(() => renderQemuArguments(open, facts, { ...files, caFile: "/a\nb" })).toThrow(
      expect.objectContaining({ code: "CONFIG_BAD_VALUE" }),
    );
  });

  test("get the kernel's words behind -append, or with a -kernel that has none; else the guest's loader has the say", () => {
    const words = renderKernelWords(facts);
    const line = words.join(" ");
    expect(line).toBe(`larder.proxy=http://10.0.2.2:3142 larder.ca-sha256=${facts.caSha256}`);
    expect(withKernelWords(["qemu", "-append", "quiet", "-m", "1"], words)).toEqual([
      "qemu",
      "-append",
      `quiet ${line}`,
      "-m",
      "1",
    ]);
    expect(withKernelWords(["qemu", "--kernel", "k"], words)).toEqual(["qemu", "--kernel", "k", "-append", line]);
    expect(withKernelWords(["qemu", "disk"], words)).toEqual(["qemu", "disk"]);
  });
});

describe("a seed for cloud-init", () => {
  test("holds the CA, and every file that the guest is to have", () => {
    const seed = renderCloudInitSeed({ ...facts, caPem: "the CA\n" });
    expect(Object.keys(seed)).toEqual(["user-data", "meta-data"]);
    const [first, ...rest] = (seed["user-data"] ?? "").split("\n");
    expect(first).toBe("#cloud-config");
    const config = JSON.parse(rest.join("\n"));
    expect(config.ca_certs).toEqual({ trusted: ["the CA\n"] });
    const written = config.write_files.map(({ path }: { readonly path: string }) => path);
    expect(written).toEqual([
      "/etc/larder/ca.pem",
      "/etc/larder/apt-proxy-detect",
      "/etc/apt/apt.conf.d/90larder",
      "/usr/local/bin/larder-guest",
      "/etc/profile.d/larder.sh",
    ]);
  });
});

describe.for(["dash", "bash", "busybox sh"])("the guest's program under %s", (shell) => {
  let folder: string;
  let server: Server;
  let proxy: string;
  let sha256: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "larder-vm-"));
    const { caPem } = await createAuthority(folder);
    sha256 = new X509Certificate(caPem).fingerprint256;
    server = createServer((request, response) => {
      if (request.url === "/ca.pem") response.end(`an authority\n${caPem}${caPem}`);
      else response.writeHead(404).end("no such page");
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    proxy = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });

  const run = (...args: string[]): Promise<Outcome> => {
    const [program = "", ...flags] = shell.split(" ");
    const stdin = renderGuestScript();
    return runProgram(program, [...flags, "-s", "--", "--dir", join(folder, "files"), ...args], { cwd: folder, stdin });
  };

  test("prints what a shell is to set, once the CA is the expected one", async () => {
    const { code, stdout } = await run("--proxy", `${proxy}/`, "--ca-sha256", sha256);
    expect(code).toBe(0);
    const script = `${stdout}echo "$https_proxy $SSL_CERT_FILE $no_proxy"; cat "$APT_CONFIG"`;
    const set = await runProgram("sh", ["-c", script], { cwd: folder });
    const files = join(folder, "files");
    expect(set.stdout.toString()).toContain(`${proxy} ${files}/bundle.pem localhost,127.0.0.1,`);
    expect(set.stdout.toString()).toContain(`Proxy-Auto-Detect "${files}/apt-proxy-detect";`);
    const ca = await readFile(join(files, "ca.pem"), "utf8");
    expect(new X509Certificate(ca).fingerprint256).toBe(sha256);
    expect((await readFile(join(files, "bundle.pem"), "utf8")).endsWith(ca)).toBe(true);
  });

  test.for<[why: string, args: () => string[], said: RegExp]>([
    ["another CA", () => ["--proxy", proxy, "--ca-sha256", "ab".repeat(32)], /is not trusted/],
    ["no CA to compare with", () => ["--proxy", proxy], /give --ca-sha256/],
    ["nobody who answers", () => ["--proxy", "http://127.0.0.1:1", "--ca-sha256", sha256], /no proxy answers/],
    ["another service there", () => ["--proxy", `${proxy}/x`, "--ca-sha256", sha256], /no proxy answers/],
    ["an address that is none", () => ["--proxy", "http://a'b:1", "--ca-sha256", sha256], /is no URL of a proxy/],
    ["an unknown option", () => ["--other", "1"], /there is no option --other/],
  ])("prints nothing with %s", async ([, args, said]) => {
    const { code, stdout, stderr } = await run(...args());
    expect([code, stdout.toString()]).toEqual([1, ""]);
    expect(stderr).toMatch(said);
  });
});
