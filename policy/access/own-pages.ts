import { isIP } from "node:net";
import { LarderError } from "../../core/errors.ts";
import { parseHostPort } from "../../core/target.ts";

/** What an origin-form request says about where it comes from and whom it means. */
export interface OriginFormRequest {
  /** The Host field. */
  readonly host: string | undefined;
  readonly secFetchSite: string | undefined;
  /** Names beside IP literals and `localhost` under which larder is reached. */
  readonly serverNames: readonly string[];
}

/**
 * Checks a request for larder's own pages. A page of another site must not read them, neither by a name of its own that
 * it points at us (DNS rebinding) nor by a cross-site request.
 * @throws LarderError `HOST_NOT_SERVED`, `CROSS_SITE`, or those of `parseHostPort`.
 */
export function checkOriginForm({ host, secFetchSite, serverNames }: OriginFormRequest): void {
  if (secFetchSite?.trim().toLowerCase() === "cross-site")
    throw new LarderError("CROSS_SITE", "a page of another site may not read what larder says of itself");
  const name = host === undefined ? "" : parseHostPort(host.trim()).host;
  if (isIP(name) !== 0 || name === "localhost" || serverNames.some((served) => served.toLowerCase() === name)) return;
  throw new LarderError(
    "HOST_NOT_SERVED",
    `larder does not answer as ${JSON.stringify(name)}: use its address, or name it with --server-name`,
    { details: { host: name } },
  );
}
