import { LarderError } from "../../core/errors.ts";
import { checkOriginForm } from "../../policy/access/own-pages.ts";
import { OWN_TEXT, type Reply, sendText } from "../answer/reply.ts";
import type { LocalPages, ProxySettings } from "../settings.ts";
import type { Substituter } from "../site/substituter.ts";

/** What larder answers itself, on its own port: origin-form requests outside a tunnel. */
export interface LocalSite {
  /** @throws LarderError `HOST_NOT_SERVED`, `CROSS_SITE`, `METHOD_NOT_ALLOWED` or `NOT_FOUND`. */
  answer(reply: Reply): void;
}

/** By which those who look for a cache know larder from whatever else may listen on a port (reach/probe.ts). */
const SERVER = ["Server", "larder"];
const TEXT = [...SERVER, ...OWN_TEXT];
const CACHE_INFO = [...SERVER, "Content-Type", "text/x-nix-cache-info", "X-Content-Type-Options", "nosniff"];
const PEM = [
  ...SERVER,
  "Content-Type",
  "application/x-x509-ca-cert",
  "Cache-Control",
  "no-store",
  "X-Content-Type-Options",
  "nosniff",
];

export function createLocalSite(
  pages: LocalPages,
  { serverNames }: ProxySettings,
  substituter: Pick<Substituter, "cacheInfo">,
): LocalSite {
  return {
    answer(reply) {
      const { request } = reply;
      const host = request.headers.host;
      const secFetchSite = request.headers["sec-fetch-site"];
      checkOriginForm({ host, secFetchSite: typeof secFetchSite === "string" ? secFetchSite : undefined, serverNames });
      if (request.method !== "GET" && request.method !== "HEAD") {
        throw new LarderError("METHOD_NOT_ALLOWED", "larder's own pages take GET and HEAD only");
      }
      const path = (request.url ?? "/").split("?")[0];
      const cacheInfo = substituter.cacheInfo(path ?? "");
      if (cacheInfo !== undefined) return sendText(reply, 200, CACHE_INFO, cacheInfo);
      switch (path) {
        case "/":
          return sendText(reply, 200, TEXT, pages.status());
        case "/healthz":
          return sendText(reply, 200, TEXT, "ok\n");
        case "/ca.pem":
          return sendText(reply, 200, PEM, pages.caPem);
        case "/env":
          return sendText(
            reply,
            200,
            TEXT,
            pages.env(host ?? `${request.socket.localAddress}:${request.socket.localPort}`),
          );
        case "/guest.sh":
          return sendText(reply, 200, TEXT, pages.guestScript);
        default:
          throw new LarderError(
            "NOT_FOUND",
            "larder has no such page; it answers /, /healthz, /ca.pem, /env, /guest.sh, /nix/, and mirrors /https/HOST/… and /http/HOST/…",
          );
      }
    },
  };
}
