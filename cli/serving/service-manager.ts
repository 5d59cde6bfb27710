import { spawn } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { endianness } from "node:os";
import { LarderError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { HostPort } from "../../core/target.ts";
import type { Environment } from "../settings/directories.ts";

/** sd_listen_fds(3): the sockets that are handed over have the descriptors from 3 on. */
const FIRST_SOCKET = 3;

/** A listening socket that is this process's already. */
export interface InheritedSocket extends HostPort {
  readonly fd: number;
}

/**
 * The sockets that a service manager has bound and handed over to this very process (sd_listen_fds(3)): connections
 * that come while no larder runs wait in them, so that a restart refuses nobody.
 * @throws LarderError `LISTEN_FAILED` when one of them is no TCP socket.
 */
export function inheritedSockets(env: Environment, pid: number): readonly InheritedSocket[] {
  if (env["LISTEN_PID"] !== String(pid)) return [];
  const count = Number(env["LISTEN_FDS"] ?? 0);
  return Array.from({ length: count }, (_, index) => inheritedSocket(FIRST_SOCKET + index));
}

function inheritedSocket(fd: number): InheritedSocket {
  const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  for (const table of ["tcp", "tcp6"]) {
    for (const line of readFileSync(`/proc/self/net/${table}`, "latin1").split("\n").slice(1)) {
      const columns = line.trim().split(/\s+/);
      if (inode !== undefined && columns[9] === inode) return { fd, ...readSocketAddress(columns[1] ?? "") };
    }
  }
  throw new LarderError("LISTEN_FAILED", `descriptor ${fd} (LISTEN_FDS) is no TCP socket; use ListenStream=HOST:PORT`, {
    details: { fd },
  });
}

/**
 * `0100007F:0C46`: the address in words of 32 bits of the machine's own byte order (proc_net_tcp), the port as a
 * number.
 */
export function readSocketAddress(written: string): HostPort {
  const [address = "", port = ""] = written.split(":");
  const bytes = Buffer.from(address, "hex");
  if (endianness() === "LE") bytes.swap32();
  return { host: bytes.length === 4 ? bytes.join(".") : formatIpv6(bytes), port: Number.parseInt(port, 16) };
}

function formatIpv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/**
 * Tells the service manager, where one has asked to be told (sd_notify(3)), that clients may come or that they had
 * better not. By its own program, for Node has no sockets of that kind; nobody waits for it.
 */
export function notifyServiceManager(what: "READY=1" | "STOPPING=1", env: Environment, log: Log): void {
  if ((env["NOTIFY_SOCKET"] ?? "") === "") return;
  const told = spawn("systemd-notify", [what], { env: { ...env }, stdio: "ignore" });
  told.once("error", ({ message }) => log.warn({ what, reason: message }, "the service manager could not be told"));
  told.unref();
}
