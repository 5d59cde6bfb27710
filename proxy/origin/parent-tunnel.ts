import http from "node:http";
import https from "node:https";
import type net from "node:net";
import type { Duplex } from "node:stream";
import { LarderError } from "../../core/errors.ts";
import { formatAuthority, type HostPort } from "../../core/target.ts";
import type { ProxySettings } from "../settings.ts";
import { originFault } from "./faults.ts";
import { type ParentProxy, unauthorizedAt } from "./parents.ts";

/** Blind tunnels end by halves; node:http hands this on to the socket, though its types do not know it. */
const BY_HALVES = { allowHalfOpen: true };

export interface ParentTunnelOptions {
  readonly settings: Pick<ProxySettings, "connectTimeoutMs" | "originRoots" | "pseudonym">;
  /** The Via of the CONNECT that is handed on, if one is. */
  readonly via?: string | undefined;
}

/**
 * Asks a parent proxy for a tunnel (RFC 9110 §9.3.6).
 * @throws LarderError `PARENT_PROXY` when it refuses, or the `ORIGIN_…` code of reaching it.
 */
export function tunnelThrough(
  parent: ParentProxy,
  to: HostPort,
  { settings, via }: ParentTunnelOptions,
): Promise<net.Socket> {
  const timeoutMs = settings.connectTimeoutMs;
  const authority = formatAuthority(to);
  const ownVia = `1.1 ${settings.pseudonym}`;
  const headers = {
    host: authority,
    via: via === undefined ? ownVia : `${via}, ${ownVia}`,
    ...(parent.authorization === undefined ? {} : { "proxy-authorization": parent.authorization }),
  };
  const request = (parent.scheme === "https" ? https : http).request({
    host: parent.host,
    port: parent.port,
    method: "CONNECT",
    path: authority,
    headers,
    agent: false,
    ...BY_HALVES,
    ca: settings.originRoots,
    rejectUnauthorized: true,
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const message = `proxy ${parent.origin} opened no tunnel within ${timeoutMs} ms`;
      request.destroy(new LarderError("ORIGIN_CONNECT_TIMEOUT", message));
    }, timeoutMs);
    const refuse = (socket: Duplex, status: number): void => {
      socket.destroy();
      reject(refusal(parent, status, authority));
    };
    request.once("close", () => clearTimeout(timer));
    request.once("error", (error) => reject(faultOf(error, parent, authority)));
    request.once("connect", (response, socket, head) => {
      clearTimeout(timer);
      const { statusCode = 0 } = response;
      if (statusCode < 200 || statusCode > 299) return refuse(socket, statusCode);
      if (head.length > 0) socket.unshift(head);
      resolve(socket as net.Socket);
    });
    request.end();
  });
}

/** An end instead of an answer is a refusal, too. */
function faultOf(error: Error, parent: ParentProxy, authority: string): LarderError {
  const fault = originFault(error, `proxy ${parent.origin}`);
  if (fault.code !== "ORIGIN_RESET" && fault.code !== "ORIGIN_PROTOCOL") return fault;
  const message = `proxy ${parent.origin} gave no answer to CONNECT ${authority}: ${fault.message}`;
  return new LarderError("PARENT_PROXY", message, { details: { parent: parent.origin }, cause: error });
}

function refusal(parent: ParentProxy, status: number, authority: string): LarderError {
  if (status === 407) return unauthorizedAt(parent);
  return new LarderError("PARENT_PROXY", `proxy ${parent.origin} answered ${status} to CONNECT ${authority}`, {
    details: { parent: parent.origin, status },
  });
}
