import { PLACE_KEYS } from "../../settings/settings.ts";
import { type CommandSpec, JSON_OPTION, VM_OPTIONS } from "../command-spec.ts";

/** What points clients at the proxy, and finds it for them. */
export const CLIENT_COMMANDS: readonly CommandSpec[] = [
  {
    usage: "proxy-env",
    summary: "print what points tools at the running proxy",
    description:
      "Prints the fragments of env.d below the store, verbatim, or what a tool wants to read in their place. Without a proxy\n" +
      "it prints nothing and succeeds, so that a recipe which evaluates it builds without one, too.",
    settings: PLACE_KEYS,
    options: [
      [
        "--for <whom>",
        "host, container, vm, or this machine's name or address as another one knows it (default: host)",
      ],
      ["--format <name>", "env, sh, fish, systemd, podman, docker, apt, dnf, pip, npm, nix or json"],
      ["--trust-dir <path>", "where the client has the trust files (default: /etc/larder, /dev/larder in a container)"],
      ["--check", "print nothing and exit with 1 when the proxy does not answer or its CA changed"],
    ],
    examples: [
      ['eval "$(larder proxy-env --format sh)"', "point this shell at the proxy"],
      ["larder proxy-env --root ./cache > build.env", "for a project's own store"],
      ["larder proxy-env --format apt > /etc/apt/apt.conf.d/90larder", "for apt alone, with a way around"],
      ["larder proxy-env --for vm", "what a QEMU guest needs"],
    ],
    load: async () => (await import("../../commands/proxy-env.ts")).proxyEnv,
  },
  {
    usage: "env",
    summary: "the fragments that proxy-env prints",
    commands: [
      {
        usage: "write",
        summary: "write them anew for the running proxy",
        settings: [...PLACE_KEYS, "baseImage"],
        options: [],
        examples: [["larder env write --root ./cache", "when they were lost"]],
        load: async () => (await import("../../commands/env.ts")).writeEnv,
      },
      {
        usage: "remove",
        summary: "remove those that a killed proxy left behind",
        settings: PLACE_KEYS,
        options: [],
        examples: [["larder env remove", "builds go to the origins again"]],
        load: async () => (await import("../../commands/env.ts")).removeEnv,
      },
    ],
  },
  {
    usage: "gateway",
    summary: "forward connections to the proxy, wherever it is",
    description:
      "Listens on a port of this machine's loopback, for guests that know no other address, and hands each connection to the proxy of\n" +
      "this store, or to the first of --to that answers within a second. Names are looked up for each connection. It ends with\n" +
      "the process that started it.",
    settings: PLACE_KEYS,
    options: [
      ["--to <places>", "host:port of the proxy, or several, separated by commas: the first that answers is taken"],
      ["--override-file <path>", "file of places that go before --to, read anew for each connection"],
      ["--listen <host:port>", "address to listen on (default: 127.0.0.1:3142); port 0 picks a free one"],
      ["--stdio", "forward stdin and stdout instead, as one connection, for QEMU's guestfwd=…-cmd:"],
      ["--packages", "to the listener of this store's proxy that reaches packages and nothing else"],
    ],
    examples: [
      ["larder gateway --to cache.example:3142,10.0.0.2:3142", "QEMU guests reach it at 10.0.2.2:3142"],
      ["larder gateway --stdio", "one connection over stdin and stdout"],
    ],
    load: async () => (await import("../../commands/gateway.ts")).gateway,
  },
  {
    usage: "vm-args",
    summary: "print the arguments that give a QEMU guest its way to the running proxy",
    description:
      "Prints user networking and what the guest is told through fw_cfg, quoted for a shell. With --isolated the guest reaches packages\n" +
      "through larder, and nothing else of this machine, its networks or the internet. docs/vm.md has the guest's side.",
    settings: PLACE_KEYS,
    options: [
      ...VM_OPTIONS,
      ["--kernel-line", "print what the guest's kernel command line is to hold instead, for -append or a boot loader"],
    ],
    examples: [
      ['eval "qemu-system-x86_64 -m 2G disk.qcow2 $(larder vm-args)"', "a guest that finds the proxy at 10.0.2.2"],
      ["larder vm-args --isolated --cloud-init seed", "one that reaches packages only, configured at its first boot"],
    ],
    load: async () => (await import("../../commands/vm-args.ts")).vmArgs,
  },
  {
    usage: "resolve",
    summary: "find out where the cache is now, and say so in files",
    description:
      "Asks at the same time: the override file, CACHE_RESOLVER_PLACE, DNS, mDNS and DNS-SD on the local link, the default gateway and QEMU's\n" +
      "host, and where it was the last time. What answers must be a cache. Writes NAME-ip, nix.conf and proxy.env for other programs; the\n" +
      "public caches are always in them. What the local link names is good for Nix, which checks signatures, never a proxy.",
    settings: [],
    options: [
      ["--once", "look once"],
      ["--watch", "look again and again, until a signal comes"],
      ["--name <name>", "of the cache, in DNS and on the local link (default: larder)"],
      ["--override-file <path>", "file that names the cache itself (default: /etc/larder/cache)"],
      ["--state-dir <path>", "where the files go (default: /run/cache-resolver)"],
      ["--deadline <time>", "for all of it together (default: 5s; 10s at most)"],
      ["--on-change <command>", "run by a shell when a file has changed"],
      ["--explain", "print each method, its address, time and verdict"],
      JSON_OPTION,
    ],
    examples: [
      ["larder resolve --once --explain", "what is found, and how"],
      ["larder resolve --watch --on-change 'systemctl try-restart nix-daemon'", "for a Nix machine that moves"],
    ],
    load: async () => (await import("../../commands/resolve.ts")).resolve,
  },
  {
    usage: "units",
    summary: "files for a service manager",
    commands: [
      {
        usage: "print [unit]",
        summary: "print larder.service, larder.socket, larder-resolve.service and larder-client.nix, a NixOS module",
        settings: [],
        options: [["--out <path>", "write them into this folder instead"]],
        examples: [
          ["larder units print --out /etc/systemd/system", "then: systemctl daemon-reload"],
          ["larder units print larder-client.nix > larder-client.nix", "for a NixOS machine"],
        ],
        load: async () => (await import("../../commands/units.ts")).printUnits,
      },
    ],
  },
  {
    usage: "doctor",
    summary: "look at everything that a build through the proxy depends on",
    description:
      "Looks whether the proxy answers, the CA is valid and which tools trust it, the fragments hold, a container reaches the\n" +
      "proxy, and the disk has room. Says how to mend what is bad, and exits with 1 then. Changes nothing.",
    settings: [...PLACE_KEYS, "caCert", "caKey", "baseImage"],
    options: [
      ["--image <name>", "local image of the throw-away container (default: the base image, or any)"],
      ["--no-containers", "ask no container engine"],
      JSON_OPTION,
    ],
    examples: [
      ["larder doctor", "before the first build"],
      ["larder doctor --json --no-containers", "for a program, in a second or two"],
    ],
    load: async () => (await import("../../commands/doctor.ts")).doctor,
  },
];
