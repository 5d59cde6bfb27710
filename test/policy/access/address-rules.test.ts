import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AddressRules, type AddressSettings } from "../../../policy/access/address-rules.ts";
import { networkList } from "../../../policy/access/ip-address.ts";
import { outcome } from "./outcome.ts";

const rules = (changes: Partial<AddressSettings> = {}): AddressRules =>
  new AddressRules({
    allowClients: [],
    allowDestinations: [],
    ownAddresses: ["127.0.0.1", "::1", "203.0.113.7", "2001:db8::7", "fe80::7%eth0"],
    isLoopbackOnly: true,
    ...changes,
  });

describe("clients", () => {
  const client = (address: string, allowClients: string[] = []) =>
    outcome(() => rules({ allowClients }).checkClient(address));

  test.each(["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "203.0.113.7", "::ffff:203.0.113.7", "2001:db8::7"])(
    "of this machine come in: %s",
    (address) => {
      expect(client(address)).toBe("open");
    },
  );

  test.each(["192.168.1.2", "10.0.0.1", "8.8.8.8", "::ffff:192.168.1.2", "fd00::1", "2001:db8::8"])(
    "of elsewhere do not: %s",
    (address) => {
      expect(client(address)).toBe("CLIENT_NOT_ALLOWED");
    },
  );

  test("of a network that is invited at one listener come in there", () => {
    const invited = networkList(["10.88.0.0/16"]);
    expect(outcome(() => rules().checkClient("10.88.0.3", invited))).toBe("open");
    expect(outcome(() => rules().checkClient("10.89.0.3", invited))).toBe("CLIENT_NOT_ALLOWED");
  });

  test("of allowed networks come in, by IPv4 also when the socket shows them as IPv6", () => {
    expect(client("192.168.1.2", ["192.168.0.0/16"])).toBe("open");
    expect(client("::ffff:192.168.1.2", ["192.168.0.0/16"])).toBe("open");
    expect(client("192.169.1.2", ["192.168.0.0/16"])).toBe("CLIENT_NOT_ALLOWED");
    expect(client("fd00::1", ["fd00::/8"])).toBe("open");
    expect(client("192.0.2.1", ["192.0.2.1"])).toBe("open");
  });

  test("are told the option that lets them in", () => {
    expect(() => rules().checkClient("10.1.2.3")).toThrow("--allow 10.1.2.3");
  });
});

describe("destinations", () => {
  const destination = (address: string, changes: Partial<AddressSettings> = {}) =>
    outcome(() => rules(changes).checkDestination(address, "name.example"));

  const CLOSED = [
    "127.0.0.1",
    "127.255.0.1",
    "::1",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "169.254.169.254",
    "169.254.1.1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "ff02::1",
    "203.0.113.7",
    "2001:db8::7",
  ];

  test.each(CLOSED)("are closed to everybody: %s", (address) => {
    expect(destination(address)).toBe("DESTINATION_NOT_ALLOWED");
  });

  test.each([
    ["mapped", "::ffff:127.0.0.1"],
    ["mapped, in hex", "::ffff:7f00:1"],
    ["mapped, written out", "0:0:0:0:0:ffff:7f00:0001"],
    ["compatible", "::127.0.0.1"],
    ["translated", "::ffff:0:127.0.0.1"],
    ["NAT64", "64:ff9b::169.254.169.254"],
    ["NAT64 of a local prefix", "64:ff9b:1::7f00:1"],
    ["6to4", "2002:7f00:1::"],
    ["6to4 with a subnet", "2002:a9fe:a9fe:1::1"],
    ["a Teredo client", "2001:0:808:808:0:1:80ff:fffe"],
    ["a Teredo server", "2001:0:7f00:1::"],
    ["ISATAP", "2001:db8:1::5efe:127.0.0.1"],
    ["ISATAP, with the universal bit", "2001:db8:1::200:5efe:7f00:1"],
    ["our own address over NAT64", "64:ff9b::203.0.113.7"],
  ])("are closed as well when an IPv6 address carries them: %s", (_, address) => {
    expect(destination(address)).toBe("DESTINATION_NOT_ALLOWED");
  });

  test.each([
    "8.8.8.8",
    "151.101.0.223",
    "203.0.113.8",
    "2a04:4e42::223",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
  ])("of the wide world are open: %s", (address) => {
    expect(destination(address)).toBe("open");
    expect(destination(address, { isLoopbackOnly: false })).toBe("open");
  });

  test.each([
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "fd12::1",
    "64:ff9b::10.0.0.1",
    "::ffff:10.0.0.1",
  ])("in private networks are open while larder listens on loopback only: %s", (address) => {
    expect(destination(address)).toBe("open");
    expect(destination(address, { isLoopbackOnly: false })).toBe("DESTINATION_NOT_ALLOWED");
  });

  test("are open when allowed, and only those", () => {
    const allowDestinations = ["127.0.0.0/8", "::1", "10.0.0.0/8"];
    expect(destination("127.0.0.1", { allowDestinations })).toBe("open");
    expect(destination("::ffff:127.0.0.1", { allowDestinations })).toBe("open");
    expect(destination("::1", { allowDestinations })).toBe("open");
    expect(destination("10.9.9.9", { allowDestinations, isLoopbackOnly: false })).toBe("open");
    expect(destination("169.254.169.254", { allowDestinations })).toBe("DESTINATION_NOT_ALLOWED");
    expect(destination("192.168.0.1", { allowDestinations, isLoopbackOnly: false })).toBe("DESTINATION_NOT_ALLOWED");
  });

  test("say which name led there, what it is, and the option that opens it", () => {
    expect(() => rules().checkDestination("::ffff:127.0.0.1", "repo.example")).toThrow(
      "repo.example (127.0.0.1) is a loopback address; connect to it with --allow-destination 127.0.0.1",
    );
  });

  test("are read alike however an IPv6 address is written", () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const full = groups.map((value) => value.toString(16).padStart(4, "0")).join(":");
        const short = new URL(`http://[${full}]/`).hostname.slice(1, -1);
        expect(destination(short, { isLoopbackOnly: false })).toBe(destination(full, { isLoopbackOnly: false }));
      }),
    );
  });

  test("carry an IPv4 address with the verdict of that address", () => {
    const octet = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(fc.tuple(octet, octet, octet, octet), (octets) => {
        const ipv4 = octets.join(".");
        const expected = destination(ipv4, { isLoopbackOnly: false });
        expect(destination(`::ffff:${ipv4}`, { isLoopbackOnly: false })).toBe(expected);
        expect(destination(`64:ff9b::${ipv4}`, { isLoopbackOnly: false })).toBe(expected);
      }),
    );
  });
});

describe("settings", () => {
  test.each(["10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0/8", "example.com", "", "10.0.0.0/-1"])(
    "that are no network are refused: %j",
    (network) => {
      expect(outcome(() => rules({ allowClients: [network] }))).toBe("CONFIG_BAD_VALUE");
      expect(outcome(() => rules({ allowDestinations: [network] }))).toBe("CONFIG_BAD_VALUE");
    },
  );
});

describe("ports", () => {
  const port = (number: number) => outcome(() => rules().checkPort(number));

  test.each([80, 443, 1024, 3000, 3142, 4873, 8080, 8443, 65535])("are open: %i", (number) => {
    expect(port(number)).toBe("open");
  });

  test.each([1, 22, 25, 110, 444, 1023, 2375, 2376, 3306, 5432, 6379, 9200, 11211, 27017])(
    "are closed: %i",
    (number) => {
      expect(port(number)).toBe("PORT_NOT_ALLOWED");
    },
  );
});
