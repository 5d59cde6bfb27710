import type { Authority } from "../test/support/authority.ts";
import type { LoadOrder, LoadResult, Ports } from "./programs/protocol.ts";
import type { Server } from "./servers.ts";
import type { Workbench } from "./workbench.ts";

/** The two ends of every measurement: the clients that ask, and the origin that knows what it was asked for. */
export class Traffic {
  readonly originPorts: Ports;
  readonly #origin: Server;
  readonly #clients: Server;

  private constructor(origin: Server, originPorts: Ports, clients: Server) {
    this.#origin = origin;
    this.originPorts = originPorts;
    this.#clients = clients;
  }

  static async start(workbench: Workbench, authority: Authority): Promise<Traffic> {
    const origin = workbench.startProgram("origin", await workbench.makeFolder("origin"));
    const clients = workbench.startProgram("load", await workbench.makeFolder("clients"));
    return new Traffic(origin, await origin.ask<Ports>(authority.certificate("good")), clients);
  }

  /**
   * Sends the requests by that route, and gives the number of them that the origin saw.
   * @throws Error that says what the first wrong answer was.
   */
  async send(order: Omit<LoadOrder, "originPort">): Promise<number> {
    const before = await this.#origin.ask<number>("count");
    const load: LoadOrder = { ...order, originPort: this.originPorts[order.scheme] };
    const { failure } = await this.#clients.ask<LoadResult>(load);
    if (failure !== undefined) throw new Error(failure);
    return (await this.#origin.ask<number>("count")) - before;
  }
}
