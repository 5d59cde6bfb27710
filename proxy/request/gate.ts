import type { IncomingMessage } from "node:http";
import { LarderError } from "../../core/errors.ts";
import { isListed, networkList } from "../../policy/access/ip-address.ts";
import { readBasic } from "../../policy/fields/credentials.ts";
import { forwardedFor } from "../../policy/fields/forwarded.ts";
import type { Accounts, ProxySettings } from "../settings.ts";
import type { Way } from "./way.ts";

/** The challenge that goes with 407 (RFC 9110 §11.7.1, RFC 7617 §2.1). */
export const CHALLENGE = 'Basic realm="larder", charset="UTF-8"';

/** Who comes in: by the address, or by name and password; for whom a trusted proxy asks. */
export class Gate {
  readonly #accounts: Accounts | undefined;
  readonly #trusted: ReturnType<typeof networkList>;

  constructor(accounts: Accounts | undefined, { trustedProxies }: ProxySettings) {
    this.#accounts = accounts;
    this.#trusted = networkList(trustedProxies);
  }

  /** Whether whoever comes by an address that may not come in may still show credentials. */
  get takesCredentials(): boolean {
    return this.#accounts?.hasUsers === true;
  }

  /**
   * Lets a request in.
   * @returns its way, with what the request says of itself; the same when it says nothing.
   * @throws LarderError `PROXY_AUTH_REQUIRED` for wrong credentials, also where none are needed; the way's own refusal
   * without any
   */
  async admit(request: IncomingMessage, way: Way): Promise<Way> {
    const forwarded = this.#forwarded(request, way);
    const field = request.headers["proxy-authorization"];
    // The tunnel was let in when it was opened; what is inside is for the origin to judge.
    if (field === undefined || way.tunnel !== undefined || this.#accounts?.hasUsers !== true) {
      if (way.refusal !== undefined) throw way.refusal;
      return forwarded;
    }
    if (way.refusal !== undefined && way.refusal.code !== "PROXY_AUTH_REQUIRED") throw way.refusal;
    const shown = readBasic(field);
    const session = shown === undefined ? undefined : await this.#accounts.signIn(shown.name, shown.password);
    if (session === undefined)
      throw new LarderError("PROXY_AUTH_REQUIRED", "no user of larder has this name and password");
    return { ...forwarded, session: way.session ?? session, refusal: undefined };
  }

  #forwarded({ headers }: IncomingMessage, way: Way): Way {
    if (headers.forwarded === undefined || !isListed(this.#trusted, way.clientAddress)) return way;
    const clientAddress = forwardedFor(headers.forwarded);
    return clientAddress === undefined ? way : { ...way, clientAddress };
  }
}
