import { createHash } from "node:crypto";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { shellQuote } from "../../core/shell.ts";
import { Guest, guestCommand } from "../support/clients/guest.ts";
import { makeGuestParts } from "../support/clients/guest-parts.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import type { Larder } from "../support/larder.ts";
import { ParentProxy } from "../support/networks/parent-proxy.ts";
import { noise } from "../support/noise.ts";
import type { Origin } from "../support/origin.ts";
import { createAptRepository, SUITE } from "../support/repositories/apt-repository.ts";

const BODY = noise("guest", 300_000);
const DIGEST = createHash("sha256").update(BODY).digest("hex");

/** How a guest takes larder for its own, by the program that QEMU hands it. */
const BOOTSTRAP = `cp /sys/firmware/qemu_fw_cfg/by_name/opt/larder/guest.sh/raw /run/larder-guest
larder_guest() { sh /run/larder-guest "$@" 2>/run/refusal; }
larder_guest --ca-sha256 00 >/run/said && say untrusted taken || say untrusted "$(cat /run/said /run/refusal)"
eval "$(larder_guest)"
say proxy "$http_proxy"
`;

/** apt and curl, as they come; the second package is for later. */
const FETCH = `add() { apt-get install --yes -qq -o DPkg::Use-Pty=0 "$1"; }
apt-get update --error-on=any -q && add one
say installed "$(dpkg-query --show one 2>&1)"
say payload "$(curl -sS --max-time 20 "$payload" | sha256sum | cut -c1-64)"
`;

/** Says how long a command took by the guest's own clock: for whoever reads the console. */
const TIMED = `timed() { from=$(cut -d" " -f1 /proc/uptime); "$@"; code=$?; echo "$* ended with $code: $from to $(cut -d" " -f1 /proc/uptime)" >/dev/console; return $code; }
`;

const test = base
  .extend("parts", { scope: "file" }, async ({ prefix: _ }) => makeGuestParts())
  .extend("repository", { scope: "file" }, ({ sharedFolder }) => createAptRepository(sharedFolder, ["one", "two"]))
  /** The way to the origins by names, which lead the guest itself to its host's loopback. */
  .extend("parent", async ({ prefix: _ }, { onCleanup }) => {
    const parent = await ParentProxy.start();
    onCleanup(() => parent.stop());
    return parent;
  })
  .extend("published", async ({ parent, origin, secureOrigin, repository }) => {
    origin.serve("/debian/", folderHandler("/debian/", repository.folder));
    secureOrigin.serve("/payload.bin", bytesHandler(BODY));
    parent.publish("debian", origin);
    parent.publish("files", secureOrigin);
    const sources = `deb [signed-by=/mnt/keyring.gpg] http://debian.larder.test:${origin.port}/debian ${SUITE} main`;
    return `echo "${sources}" >/etc/apt/sources.list
echo "10.0.2.2 debian.larder.test files.larder.test" >>/etc/hosts
payload=https://files.larder.test:${secureOrigin.port}/payload.bin
`;
  })
  /** A larder whose only way out is the parent, and which reaches nothing of this machine. */
  .extend("serve", ({ startLarder, parent }) => {
    const env = { http_proxy: parent.url, https_proxy: parent.url };
    return startLarder({ env, reachesLoopback: false });
  })
  .extend("command", ({ parts, folder, repository, authority }) => (script: string) => {
    const files = [repository.keyring, authority.caFile];
    return guestCommand({ parts, folder, script: TIMED + script, files });
  });

/** QEMU with the arguments that `larder vm-args` prints, as a shell takes them. */
async function startWithArguments(command: readonly string[], serve: Larder, ...flags: string[]): Promise<Guest> {
  const printed = await serve.command("vm-args", ...flags);
  expect(printed).toMatchObject({ code: 0, stderr: "" });
  return Guest.start(["sh", "-c", `exec ${command.map(shellQuote).join(" ")} ${printed.stdout}`], serve.folder);
}

/** Whether each request came through a proxy. */
const cameByProxy = (origin: Origin) => origin.takeRequests().map(({ headers }) => headers.via !== undefined);

describe("a guest of larder vm", { timeout: 600_000 }, () => {
  test("installs through larder, and by itself when larder has gone", async ({
    command,
    published,
    serve,
    origin,
    secureOrigin,
  }) => {
    const script = `${published}${BOOTSTRAP}
say line "$(cat /proc/cmdline)"
${FETCH}
say done yes
while curl -fs --noproxy '*' --max-time 2 "$http_proxy/healthz" >/dev/null; do sleep 0.2; done
timed sh /run/larder-guest >/run/said || say away "$(cat /run/said)"
timed /run/larder/apt-proxy-detect >/run/said; say detected "$(cat /run/said)"
timed add two; say second "$(dpkg-query --show two 2>&1)"
unset https_proxy HTTPS_PROXY
say direct "$(curl -sS --max-time 20 --cacert /mnt/ca.pem "$payload" | sha256sum | cut -c1-64)"
`;
    const guest = Guest.startByLarder(["--session", "guest", "--", ...(await command(script))], serve.folder);
    await guest.hears("done");
    const installed = cameByProxy(origin);
    expect(
      [...installed, ...cameByProxy(secureOrigin)].every((byProxy) => byProxy),
      guest.console,
    ).toBe(true);
    await serve.stop();
    expect(await guest.hears("ended"), guest.console).toBe("0");
    const address = expect.stringMatching(/^http:\/\/10\.0\.2\.2:\d+$/);
    expect(Object.fromEntries(guest.answers), guest.console).toMatchObject({
      untrusted: expect.stringMatching(/^larder-guest: the CA at .* is not trusted$/),
      proxy: address,
      line: expect.stringMatching(/larder\.proxy=http:\/\/10\.0\.2\.2:\d+ larder\.ca-sha256=[0-9a-f]{64}$/),
      installed: "one\t1.0",
      payload: DIGEST,
      away: "",
      detected: "DIRECT",
      second: "two\t1.0",
      direct: DIGEST,
    });
    expect([...cameByProxy(origin), ...cameByProxy(secureOrigin)]).toEqual([false, false]);
    expect(await guest.ended()).toBe(0);
  });

  test("that is isolated installs the same, and reaches nothing else by any way", async ({
    command,
    published,
    serve,
    origin,
    secureOrigin,
    startOrigin,
    folder,
  }) => {
    const secret = await startOrigin();
    const host = `127.0.0.1:${secret.port}`;
    const debian = `debian.larder.test:${origin.port}`;
    secret.serve("/", (_request, response) => void response.end("secret"));
    origin.serve("/away", (_request, response) => void response.writeHead(302, { Location: `http://${host}/` }).end());
    const asked = {
      plain: `GET http://${host}/ HTTP/1.1\\r\\nHost: ${host}\\r\\nConnection: close`,
      tunnel: `CONNECT ${host} HTTP/1.1\\r\\nHost: ${host}`,
      mirror: `GET /http/${host}/ HTTP/1.1\\r\\nHost: 10.0.2.100\\r\\nConnection: close`,
      lan: "GET http://192.168.1.1/ HTTP/1.1\\r\\nHost: 192.168.1.1\\r\\nConnection: close",
      lanTunnel: "CONNECT 192.168.1.1:443 HTTP/1.1\\r\\nHost: 192.168.1.1:443",
      hostSeen: `GET http://10.0.2.2:${secret.port}/ HTTP/1.1\\r\\nHost: 10.0.2.2\\r\\nConnection: close`,
      metadata: "GET http://169.254.169.254/ HTTP/1.1\\r\\nHost: 169.254.169.254\\r\\nConnection: close",
      shell: "CONNECT 198.51.100.7:22 HTTP/1.1\\r\\nHost: 198.51.100.7:22",
      post: `POST http://${debian}/ HTTP/1.1\\r\\nHost: ${debian}\\r\\nContent-Length: 0\\r\\nConnection: close`,
    };
    const beside = [`10.0.2.2:${secret.port}`, "10.0.2.2:3142", "192.168.1.1:80", "198.51.100.7:443"];
    const script = `${published}${BOOTSTRAP}
cp /media/user-data /run/seed && say seed "$(head -n 1 /run/seed)"
${FETCH}
say page "$(curl -sS --noproxy '*' "$http_proxy/env" | grep -c Fingerprint=)"
ask() { say "$1" "$(printf "$2\\r\\n\\r\\n" | timeout 10 bash -c 'exec 3<>/dev/tcp/10.0.2.100/3142; cat >&3; head -n 1 <&3' | tr -d '\\r')"; }
${Object.entries(asked)
  .map(([name, text]) => `ask ${name} '${text}'`)
  .join("\n")}
follow() { say "$1" "$(curl -s --max-time 10 --location -o /run/said -w '%{http_code}' "$2")"; }
no_proxy= NO_PROXY= follow redirect http://${debian}/away
follow mirrored http://10.0.2.100:3142/http/${debian}/away
for place in ${beside.join(" ")}; do timed curl -sS --noproxy '*' --max-time 3 "http://$place/" && reached=$place; done
say beside "\${reached:-nothing}"
say done yes
while curl -fs --noproxy '*' --max-time 5 "$http_proxy/healthz" >/dev/null; do sleep 0.2; done
timed sh /run/larder-guest >/run/said || say away "$(cat /run/said)"
timed add two || say refused yes
`;
    const seed = join(folder, "seed, with a comma");
    const guest = await startWithArguments(await command(script), serve, "--isolated", "--cloud-init", seed);
    await guest.hears("done");
    await serve.stop();
    expect(await guest.hears("ended"), guest.console).toBe("0");
    const refused = Object.keys(asked).map((name) => [name, "HTTP/1.1 403 Forbidden"]);
    expect(Object.fromEntries(guest.answers), guest.console).toMatchObject({
      ...Object.fromEntries(refused),
      proxy: "http://10.0.2.100:3142",
      seed: "#cloud-config",
      installed: "one\t1.0",
      payload: DIGEST,
      page: "1",
      redirect: "403",
      mirrored: "403",
      beside: "nothing",
      away: "",
      refused: "yes",
    });
    expect(secret.takeRequests()).toEqual([]);
    expect(cameByProxy(secureOrigin)).toEqual([true]);
    expect(await guest.ended()).toBe(0);
  });
});
