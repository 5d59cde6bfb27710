import type { IncomingMessage } from "node:http";
import { LarderError } from "../../core/errors.ts";
import { formatAuthority, makeTarget, parseHostPort, parseTarget, type TargetUri } from "../../core/target.ts";
import { checkLoop, checkRequestHead, dropConnectionFields } from "./request-head.ts";
import type { Way } from "./way.ts";

/**
 * What a request is about: a target URI, or `local` for an origin-form request to larder itself.
 * @throws LarderError for everything that names no target without doubt (docs/errors.md).
 */
export function readTarget(request: IncomingMessage, way: Way, pseudonym: string): TargetUri | "local" {
  checkRequestHead(request);
  dropConnectionFields(request);
  checkLoop(request, pseudonym);
  const form = request.url ?? "";
  const isOriginForm = form.startsWith("/");
  if (way.tunnel === undefined) return isOriginForm || form === "*" ? "local" : parseTarget(form);
  const { scheme, host, port } = way.tunnel;
  const target = isOriginForm ? makeTarget(scheme, way.tunnel, form) : parseTarget(form);
  const isSame = target.host === host && target.port === port && target.scheme === scheme;
  if (!isSame || !namesTunnel(request, way.tunnel)) {
    throw new LarderError(
      "NAME_MISMATCH",
      `this tunnel leads to ${formatAuthority(way.tunnel)} only; open another for other hosts`,
    );
  }
  return target;
}

/** Whether the Host field names what the tunnel was opened for; anything else could poison another host's entries. */
function namesTunnel(request: IncomingMessage, tunnel: NonNullable<Way["tunnel"]>): boolean {
  const field = request.headers.host;
  if (field === undefined) return true;
  const { host, port } = parseHostPort(field);
  return host === tunnel.host && (port ?? (tunnel.scheme === "https" ? 443 : 80)) === tunnel.port;
}
