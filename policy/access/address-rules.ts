import type { BlockList } from "node:net";
import { LarderError } from "../../core/errors.ts";
import { destinationsOf, isListed, networkList } from "./ip-address.ts";

export interface AddressSettings {
  /** Networks (CIDR) whose clients may come in, beside this machine. */
  readonly allowClients: readonly string[];
  /** Networks (CIDR) that may be connected to although the rules would refuse them. */
  readonly allowDestinations: readonly string[];
  /** Every address of this machine. */
  readonly ownAddresses: readonly string[];
  /**
   * Whether every listener is on loopback: private networks are open then, as nobody else can get at them through
   * larder.
   */
  readonly isLoopbackOnly: boolean;
}

const LOOPBACK = ["127.0.0.0/8", "::1"];

/** What is closed to everybody, and why (IANA's special-purpose registries; the metadata services of clouds). */
const CLOSED: readonly { readonly networks: readonly string[]; readonly what: string }[] = [
  { networks: LOOPBACK, what: "a loopback address" },
  { networks: ["169.254.0.0/16", "fe80::/10", "fec0::/10"], what: "a link-local address" },
  // Clouds answer here with the machine's credentials: Alibaba, Azure, Oracle, and EC2 over IPv6.
  {
    networks: ["100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"],
    what: "a cloud's metadata service",
  },
  { networks: ["0.0.0.0/8", "::"], what: "the unspecified address, which is this machine" },
  { networks: ["224.0.0.0/4", "240.0.0.0/4", "ff00::/8"], what: "a multicast, broadcast or reserved address" },
];

/** Private, shared and benchmarking networks (RFC 1918, RFC 6598, RFC 4193, RFC 2544, local-use NAT64 of RFC 8215). */
const PRIVATE = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "198.18.0.0/15",
  "fc00::/7",
  "64:ff9b:1::/48",
];

/** Databases and control ports that obey whoever can send them a line of HTTP. */
const CLOSED_PORTS: ReadonlyMap<number, string> = new Map([
  [1433, "SQL Server"],
  [1521, "Oracle Database"],
  [2049, "NFS"],
  [2375, "Docker"],
  [2376, "Docker"],
  [2379, "etcd"],
  [2380, "etcd"],
  [3306, "MySQL"],
  [5432, "PostgreSQL"],
  [5672, "RabbitMQ"],
  [5984, "CouchDB"],
  [5985, "WinRM"],
  [5986, "WinRM"],
  [6379, "Redis"],
  [6443, "Kubernetes"],
  [8500, "Consul"],
  [9042, "Cassandra"],
  [9092, "Kafka"],
  [9200, "Elasticsearch"],
  [9300, "Elasticsearch"],
  [10250, "the kubelet"],
  [11211, "memcached"],
  [26379, "Redis Sentinel"],
  [27017, "MongoDB"],
  [27018, "MongoDB"],
  [27019, "MongoDB"],
]);

interface ClosedList {
  readonly list: BlockList;
  readonly what: string;
}

/** Deny by default: who may come in, and which addresses and ports may be connected to. */
export class AddressRules {
  readonly #clients: BlockList;
  readonly #allowed: BlockList;
  readonly #closed: readonly ClosedList[];

  /** @throws LarderError `CONFIG_BAD_VALUE` when a setting is not a network. */
  constructor({ allowClients, allowDestinations, ownAddresses, isLoopbackOnly }: AddressSettings) {
    const own = ownAddresses.flatMap((address) => destinationsOf(address).slice(0, 1));
    this.#clients = networkList([...LOOPBACK, ...own, ...allowClients]);
    this.#allowed = networkList(allowDestinations);
    const closed = CLOSED.map(({ networks, what }) => ({ list: networkList(networks), what }));
    closed.push({ list: networkList(own), what: "an address of this machine" });
    if (!isLoopbackOnly)
      closed.push({ list: networkList(PRIVATE), what: "a private address, and larder listens beyond loopback" });
    this.#closed = closed;
  }

  /**
   * @param more networks that are allowed beside those of the settings
   * @throws LarderError `CLIENT_NOT_ALLOWED` when the client is neither this machine nor of an allowed network.
   */
  checkClient(address: string, more?: BlockList): void {
    const [client = address] = destinationsOf(address);
    if (isListed(this.#clients, client) || (more !== undefined && isListed(more, client))) return;
    throw new LarderError(
      "CLIENT_NOT_ALLOWED",
      `clients at ${client} may not come in; let them with --allow ${client}`,
      {
        details: { address: client },
      },
    );
  }

  /**
   * Checks the address that is about to be connected to; of a name, what it resolved to.
   * @throws LarderError `DESTINATION_NOT_ALLOWED`.
   */
  checkDestination(address: string, host: string): void {
    const [canonical = address, ...carried] = destinationsOf(address);
    if (isListed(this.#allowed, canonical)) return;
    for (const destination of [canonical, ...carried]) {
      const closed = this.#closed.find(({ list }) => isListed(list, destination));
      if (closed === undefined) continue;
      const name = host === address ? canonical : `${host} (${canonical})`;
      throw new LarderError(
        "DESTINATION_NOT_ALLOWED",
        `${name} is ${closed.what}; connect to it with --allow-destination ${canonical}`,
        { details: { host, address: canonical } },
      );
    }
  }

  /** @throws LarderError `PORT_NOT_ALLOWED`. */
  checkPort(port: number): void {
    const service = CLOSED_PORTS.get(port);
    if (service !== undefined)
      throw new LarderError("PORT_NOT_ALLOWED", `port ${port} is that of ${service}, which is no place for packages`, {
        details: { port },
      });
    if (port === 80 || port === 443 || port >= 1024) return;
    throw new LarderError(
      "PORT_NOT_ALLOWED",
      `port ${port} is closed: larder connects to 80, 443 and from 1024 upwards; serve the repository on one of those`,
      { details: { port } },
    );
  }
}
