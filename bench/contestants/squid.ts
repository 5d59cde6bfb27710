import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { mustRun } from "../../test/support/programs.ts";
import type { Route } from "../programs/protocol.ts";
import { findFreePort, portIfOpen } from "../servers.ts";
import { type Contestant, findProgram, type Surroundings } from "./contestant.ts";

/** Squid with a disk cache; it intercepts where it is built with OpenSSL (`squid-openssl` in Debian, not `squid`). */
export const squid: Contestant = {
  name: "squid",
  version: async () => {
    const installed = await findSquid();
    return installed === undefined ? undefined : `squid/${/Version (\S+)/.exec(installed.about)?.[1]}`;
  },
  absence: async (scheme) => {
    const installed = await findSquid();
    if (installed === undefined) return "not installed";
    if (scheme === "http" || installed.mayIntercept) return undefined;
    return "this squid is built without ssl_bump (Debian's squid-openssl has it)";
  },
  start: async (surroundings) => {
    const { workbench, authority, folder } = surroundings;
    const installed = await findSquid();
    if (installed === undefined) throw new Error("squid is not installed");
    const port = await findFreePort();
    await prepareFolder(installed, surroundings, port);
    const { program } = installed;
    const args = ["-N", "-f", join(folder, "squid.conf")];
    await mustRun(program, [...args, "-z"], { cwd: folder });
    const server = workbench.start({ program, args, folder });
    await server.ready(() => portIfOpen(port));
    const plain: Route = { port, form: "absolute" };
    const intercepted: Route = { port, form: "tunnel", ca: authority.caPem, originName: "localhost" };
    return { server, routes: installed.mayIntercept ? { http: plain, https: intercepted } : { http: plain } };
  },
};

interface Installed {
  readonly program: string;
  /** What `squid -v` says. */
  readonly about: string;
  readonly mayIntercept: boolean;
  /** Whom it becomes when root starts it. */
  readonly user: string;
}

async function findSquid(): Promise<Installed | undefined> {
  const program = await findProgram("squid");
  if (program === undefined) return undefined;
  const about = (await mustRun(program, ["-v"], { cwd: "/" })).toString();
  const mayIntercept = about.includes("--with-openssl") && about.includes("--enable-ssl-crtd");
  return { program, about, mayIntercept, user: /--with-default-user=(\w+)/.exec(about)?.[1] ?? "nobody" };
}

async function prepareFolder(installed: Installed, surroundings: Surroundings, port: number): Promise<void> {
  const { folder, authority } = surroundings;
  const bump = installed.mayIntercept ? await prepareInterception(installed, surroundings) : undefined;
  const listen = `http_port 127.0.0.1:${port} ${bump?.portOptions ?? ""}`;
  const lines = [listen, ...(bump?.lines ?? []), `tls_outgoing_options cafile=${authority.caFile}`];
  await writeFile(join(folder, "squid.conf"), `${lines.join("\n")}\n${commonConfiguration(folder, installed.user)}`);
  if (process.getuid?.() === 0) await mustRun("chown", ["-R", installed.user, folder], { cwd: "/" });
}

/** Without a cache_dir Squid would keep nothing on disk, and by its usual limit no body above 4 MB. */
function commonConfiguration(folder: string, user: string): string {
  return `http_access allow localhost
http_access deny all
cache_effective_user ${user}
maximum_object_size 1 GB
cache_dir aufs ${folder}/cache 16384 16 256
access_log stdio:${folder}/access.log
cache_log ${folder}/cache.log
pid_filename ${folder}/squid.pid
coredump_dir ${folder}
visible_hostname localhost
pinger_enable off
shutdown_lifetime 0 seconds
`;
}

/**
 * Opens every tunnel with a leaf of the authority. Squid 5 writes an address into a certificate as if it were a name,
 * which no client accepts, so the origin goes by a name there, and that name has one address.
 */
async function prepareInterception(
  { program }: Installed,
  { authority, folder }: Surroundings,
): Promise<{ readonly portOptions: string; readonly lines: readonly string[] }> {
  const certgen = join(dirname(program), "../lib/squid/security_file_certgen");
  const authorityFile = join(folder, "authority.pem");
  const key = await readFile(join(dirname(authority.caFile), "ca.key"), "utf8");
  await writeFile(authorityFile, authority.caPem + key);
  await writeFile(join(folder, "hosts"), "127.0.0.1 localhost\n");
  await mustRun(certgen, ["-c", "-s", join(folder, "leaves"), "-M", "4MB"], { cwd: folder });
  return {
    portOptions: `ssl-bump generate-host-certificates=on tls-cert=${authorityFile}`,
    lines: [
      `sslcrtd_program ${certgen} -s ${join(folder, "leaves")} -M 4MB`,
      "ssl_bump bump all",
      `hosts_file ${join(folder, "hosts")}`,
    ],
  };
}
