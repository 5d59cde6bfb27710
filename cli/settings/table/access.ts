import type { SettingRow } from "../row.ts";

/** Who may come in, and where to. */
export const ACCESS = {
  listen: {
    kind: "listen",
    isList: true,
    fallback: ["127.0.0.1:3142", "[::1]:3142"],
    help: "address and port to listen on; port 0 picks a free one",
    reason: "loopback only: others come in when they are invited; 3142 is where autodetection for apt looks",
  },
  allow: {
    kind: "cidr",
    isList: true,
    fallback: [],
    help: "network whose clients may come in, beside loopback",
    reason: "deny by default",
  },
  announce: {
    kind: "switch",
    isList: false,
    fallback: "no",
    help: "tell the networks that larder listens on, by multicast DNS, that it is there: _larder._tcp for larder resolve, _apt_proxy._tcp for apt",
    reason: "no: who may come in is told otherwise; whoever hears it may be anybody on the link",
  },
  users: {
    kind: "path",
    isList: false,
    fallback: "$XDG_CONFIG_HOME/larder/users",
    help: "file of users who may come in from anywhere by name and password (larder user add)",
    reason: "made by larder user add; without it nobody comes in by a password",
  },
  trustedProxy: {
    kind: "cidr",
    isList: true,
    fallback: [],
    help: "network of proxies before larder whose Forwarded field tells the client's address, for the log",
    reason: "anybody can write that field",
  },
  allowDestination: {
    kind: "cidr",
    isList: true,
    fallback: [],
    help: "network that may be connected to although the rules would refuse it",
    reason: "loopback and metadata addresses are closed, so that a client cannot reach what only this machine may",
  },
  serverName: {
    kind: "hostName",
    isList: true,
    fallback: [],
    help: "name, beside addresses and localhost, under which larder's own pages answer",
    reason: "a page that answers to any name can be reached by DNS rebinding",
  },
} as const satisfies Readonly<Record<string, SettingRow>>;
