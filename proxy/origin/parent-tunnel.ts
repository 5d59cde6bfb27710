import http from "node:http";
import type net from "node:net";
import type { Duplex } from "node:stream";
import { LarderError } from "../../core/errors.ts";
import { formatAuthority, type HostPort } from "../../core/target.ts";
import type { ProxySettings } from "../settings.ts";
import { agentOver } from "./agents.ts";
import { dialUnchecked } from "./dial.ts";
import { originFault } from "./faults.ts";
import { type ParentProxy, unauthorizedAt } from "./parents.ts";
import type { Secure } from "./secure.ts";

export interface ParentTunnelOptions {
  readonly settings: Pick<ProxySettings, "connectTimeoutMs" | "pseudonym">;
  readonly secure: Secure;
  /** The Via of the CONNECT that is handed on, if one is. */
  readonly via?: string | undefined;
}

interface ParentDialOptions {
  readonly isTls: boolean;
  readonly secure: Secure;
  readonly timeoutMs: number;
  readonly allowHalfOpen?: boolean;
}

/** Connects to a parent proxy: the user named it, so no access rule applies. @throws what {@link parentFault} reads */
export async function dialParent(
  to: HostPort,
  { isTls, secure, timeoutMs, allowHalfOpen = false }: ParentDialOptions,
): Promise<net.Socket> {
  const transport = await dialUnchecked(to, { timeoutMs, allowHalfOpen });
  return isTls ? await secure(transport, to) : transport;
}

/**
 * Says that it was the parent, and not the origin. A parent that cannot prove who it is leads nowhere, and another may.
 */
export function parentFault(error: unknown, to: HostPort): LarderError {
  const authority = formatAuthority(to);
  const fault = originFault(error, `proxy ${authority}`);
  if (fault.code !== "ORIGIN_CERTIFICATE") return fault;
  return new LarderError("PARENT_PROXY", fault.message, { details: { parent: authority }, cause: error });
}

/**
 * Asks a parent proxy for a tunnel (RFC 9110 §9.3.6), which ends by halves.
 * @throws LarderError `PARENT_PROXY` when it refuses, or the `ORIGIN_…` code of reaching it.
 */
export async function tunnelThrough(
  parent: ParentProxy,
  to: HostPort,
  { settings, secure, via }: ParentTunnelOptions,
): Promise<net.Socket> {
  const timeoutMs = settings.connectTimeoutMs;
  const authority = formatAuthority(to);
  const ownVia = `1.1 ${settings.pseudonym}`;
  const headers = {
    host: authority,
    via: via === undefined ? ownVia : `${via}, ${ownVia}`,
    ...(parent.authorization === undefined ? {} : { "proxy-authorization": parent.authorization }),
  };
  const isTls = parent.scheme === "https";
  const connection = await dialParent(parent, { isTls, secure, timeoutMs, allowHalfOpen: true }).catch(
    (error: unknown) => {
      throw parentFault(error, parent);
    },
  );
  const request = http.request({ method: "CONNECT", path: authority, headers, agent: agentOver(connection) });
  return await new Promise((resolve, reject) => {
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
