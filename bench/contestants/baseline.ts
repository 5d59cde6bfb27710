import type { BaselineOrder, Ports } from "../programs/protocol.ts";
import type { Contestant } from "./contestant.ts";

/** A bare node server and relay (bench/programs/baseline.ts): what every ratio is against. */
export const baseline: Contestant = {
  name: "baseline",
  version: async () => `node ${process.version}`,
  absence: async () => undefined,
  start: async ({ workbench, authority, originPorts, folder }) => {
    const server = workbench.startProgram("baseline", folder);
    const identity = authority.certificate("good");
    const order: BaselineOrder = { identity, origin: originPorts, originCa: authority.caPem, folder };
    const ports = await server.ask<Ports>(order);
    const { caPem: ca } = authority;
    return {
      server,
      routes: { http: { port: ports.http, form: "origin" }, https: { port: ports.https, form: "origin", ca } },
    };
  },
};
