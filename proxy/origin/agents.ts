import http from "node:http";
import type { Duplex } from "node:stream";
import { formatAuthority, type Scheme } from "../../core/target.ts";
import { originFault } from "./faults.ts";
import type { Connect } from "./secure.ts";

/** Agents for what speaks node:http: http-proxy, and nothing else. Whoever creates them destroys them. */
export function createAgents(connect: Connect): Readonly<Record<Scheme, http.Agent>> {
  return { http: new ConnectingAgent("http:", connect), https: new ConnectingAgent("https:", connect) };
}

/** An agent for one request, over a connection that is there; it is not kept for another. */
export function agentOver(connection: Duplex): http.Agent {
  const agent = new http.Agent({ keepAlive: false });
  agent.createConnection = () => connection;
  return agent;
}

/** How long an idle connection is kept, as by undici. */
const KEPT_MS = 4_000;

/** An http.Agent whose connections pass larder's access rules, parent proxies and TLS verification. */
class ConnectingAgent extends http.Agent {
  readonly protocol: string;
  readonly defaultPort: number;
  readonly #connect: Connect;

  constructor(protocol: "http:" | "https:", connect: Connect) {
    super({ keepAlive: true, timeout: KEPT_MS });
    this.protocol = protocol;
    this.defaultPort = protocol === "https:" ? 443 : 80;
    this.#connect = connect;
  }

  /** node:http calls it with a callback and takes `undefined` for "later". */
  override createConnection(
    options: http.ClientRequestArgs,
    done?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    const to = { host: String(options.host), port: Number(options.port) };
    this.#connect(to, this.protocol === "https:").then(
      (socket) => done?.(null, socket),
      // Node reads no socket beside an error, but its types want one.
      (error: unknown) => done?.(originFault(error, formatAuthority(to)), undefined as unknown as Duplex),
    );
  }
}
