import type { CommandRun } from "./invocation.ts";
import { PLACE_KEYS, SETTING_KEYS, type SettingKey } from "./settings.ts";

interface CommandFacts {
  /** Name and operands, as commander writes them. */
  readonly usage: string;
  readonly summary: string;
  readonly description?: string;
}

interface LeafSpec extends CommandFacts {
  readonly settings: readonly SettingKey[];
  readonly options: readonly (readonly [flags: string, help: string])[];
  /** Options after the first operand belong to the command that is run, not to larder. */
  readonly passesOptionsOn?: boolean;
  readonly examples: readonly (readonly [line: string, why: string])[];
  /** Loads the code of this command only: `larder --help` and `larder proxy-env` must not wait for the proxy's. */
  readonly load: () => Promise<CommandRun>;
}

export type CommandSpec = LeafSpec | (CommandFacts & { readonly commands: readonly CommandSpec[] });

const JSON_OPTION = ["--json", "print JSON, for programs"] as const;

const USER_KEYS = ["config", "users"] as const satisfies readonly SettingKey[];

const CA_KEYS = ["config", "caCert", "caKey"] as const satisfies readonly SettingKey[];

/** The commands of larder, in the order of `--help`. */
export const COMMANDS: readonly CommandSpec[] = [
  {
    usage: "serve",
    summary: "run the proxy until it is told to stop",
    description:
      "Runs the proxy. Prints one line for each address it listens on; logs as JSON lines on stderr.\n" +
      "SIGTERM lets running downloads finish within --drain-timeout, a second signal ends at once. Sockets that systemd hands\n" +
      "over (LISTEN_FDS) are listened on in place of --listen.",
    settings: SETTING_KEYS,
    options: [],
    examples: [
      ["larder serve", "listen on 127.0.0.1:3142 and [::1]:3142"],
      ["larder serve --listen 127.0.0.1:0 --root ./cache", "a free port, and a store of this project's own"],
      ["larder serve --listen 10.0.2.1:3142 --allow 10.0.2.0/24", "let a network in"],
    ],
    load: async () => (await import("./commands/serve.ts")).serve,
  },
  {
    usage: "run <command...>",
    summary: "run a command through the proxy",
    description:
      "Runs a command with the proxy and CA variables set, through the proxy that serves this store, or through one that\n" +
      "lives as long as the command. Signals and the exit code pass through; a receipt follows on stderr.",
    settings: SETTING_KEYS,
    options: [
      ["--name <text>", "name of the session in the ledger (default: the command's own)"],
      ["--receipt <file>", "write the receipt as JSON to this file, too"],
      ["--json", "print the receipt as one line of JSON"],
    ],
    passesOptionsOn: true,
    examples: [
      ["larder run -- npm install left-pad", "the second time nothing crosses the network"],
      ["larder run --root ./cache -- pip download requests", "with a store of this project's own"],
      ["larder run --receipt took.json -- apt-get update", "keep the figures"],
    ],
    load: async () => (await import("./commands/run.ts")).run,
  },
  {
    usage: "build <command...>",
    summary: "build or run a container through the proxy, without a trace in its image",
    description:
      "Runs podman build, buildah build (or bud), podman run or docker build with the proxy reachable and trusted in every\n" +
      "RUN. Nothing of it is written into the image: see docs/podman.md, also for what differs between engines.",
    settings: SETTING_KEYS,
    options: [
      ["--name <text>", "name of the session in the ledger (default: engine and verb)"],
      ["--receipt <file>", "write the receipt as JSON to this file, too"],
      ["--json", "print the receipt as one line of JSON"],
      ["--print", "print the final command instead, for the proxy that serves this store"],
      ["--print-args", "print only what larder inserts behind the verb, one argument a line"],
      ["--no-lint", "do not look into the image for traces of larder when it is built"],
      ["--no-dnf-conf", "leave /etc/dnf/dnf.conf alone, for builds that rewrite it; dnf then trusts no CA of larder's"],
    ],
    passesOptionsOn: true,
    examples: [
      ["larder build -- podman build -t app .", "an unedited Containerfile, any tool inside"],
      ["larder build -- buildah bud --network=host .", "buildah, on the host's network"],
      ["larder build --root ./cache -- podman run --rm fedora dnf -y install git", "a container"],
    ],
    load: async () => (await import("./commands/build.ts")).build,
  },
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
    load: async () => (await import("./commands/proxy-env.ts")).proxyEnv,
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
    ],
    examples: [
      ["larder gateway --to cache.example:3142,10.0.0.2:3142", "QEMU guests reach it at 10.0.2.2:3142"],
      ["larder gateway --stdio", "one connection over stdin and stdout"],
    ],
    load: async () => (await import("./commands/gateway.ts")).gateway,
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
    load: async () => (await import("./commands/resolve.ts")).resolve,
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
        load: async () => (await import("./commands/units.ts")).printUnits,
      },
    ],
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
        load: async () => (await import("./commands/env.ts")).writeEnv,
      },
      {
        usage: "remove",
        summary: "remove those that a killed proxy left behind",
        settings: PLACE_KEYS,
        options: [],
        examples: [["larder env remove", "builds go to the origins again"]],
        load: async () => (await import("./commands/env.ts")).removeEnv,
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
    load: async () => (await import("./commands/doctor.ts")).doctor,
  },
  {
    usage: "config",
    summary: "print each setting, its value and where it came from",
    settings: SETTING_KEYS,
    options: [JSON_OPTION],
    examples: [
      ["larder config", "flags over LARDER_… variables over larder.toml over defaults"],
      ["larder config --json", "for programs"],
    ],
    load: async () => (await import("./commands/config.ts")).showConfig,
  },
  {
    usage: "status",
    summary: "say whether a proxy serves this store, and what it does",
    settings: PLACE_KEYS,
    options: [JSON_OPTION],
    examples: [["larder status --root ./cache", "exit 1 when none runs"]],
    load: async () => (await import("./commands/status.ts")).status,
  },
  {
    usage: "store",
    summary: "look into the store, and care for it",
    commands: [
      {
        usage: "du",
        summary: "how much the store holds",
        settings: PLACE_KEYS,
        options: [JSON_OPTION],
        examples: [["larder store du", "blobs, entries, bytes and the limit"]],
        load: async () => (await import("./commands/store.ts")).storeUsage,
      },
      {
        usage: "ls [text]",
        summary: "what the store holds, most recently used first",
        settings: PLACE_KEYS,
        options: [["--limit <count>", "lines at most (default: 1000)"], JSON_OPTION],
        examples: [["larder store ls left-pad", "entries whose URI contains the text"]],
        load: async () => (await import("./commands/store.ts")).storeList,
      },
      {
        usage: "gc",
        summary: "evict what was not used for long, or is above a limit",
        description:
          "Evicts blobs with their entries: those that were not used for --older-than, then the least recently used until the rest fits\n" +
          "into --max-bytes, roots and members last, pinned ones never. Without either the store's own limit holds.",
        settings: [...PLACE_KEYS, "maxBytes"],
        options: [
          ["--older-than <time>", "what was not used for so long, such as 12h or 30d"],
          ["--dry-run", "only say what would go"],
          JSON_OPTION,
        ],
        examples: [
          ["larder store gc --older-than 30d", "what a month did not need"],
          ["larder store gc --max-bytes 10GiB --dry-run", "what it would take"],
        ],
        load: async () => (await import("./commands/store-gc.ts")).collectGarbage,
      },
      {
        usage: "pin <what...>",
        summary: "keep blobs from being evicted, also after the cache was lost",
        description:
          "Pins blobs by their digest, eight or more of its first digits, or a pattern over the URIs that name them now. A pin is kept\n" +
          "with the ledger and holds for a blob whenever it is there.",
        settings: PLACE_KEYS,
        options: [JSON_OPTION],
        examples: [
          ["larder store pin 870c0fe10962", "as larder store ls prints it"],
          ["larder store pin 'https://deb.debian.org/debian/dists/bookworm/**'", "a suite's metadata"],
        ],
        load: async () => (await import("./commands/store-pin.ts")).pin,
      },
      {
        usage: "unpin <what...>",
        summary: "let pinned blobs be evicted again",
        settings: PLACE_KEYS,
        options: [JSON_OPTION],
        examples: [["larder store unpin '**'", "all of them"]],
        load: async () => (await import("./commands/store-pin.ts")).unpin,
      },
      {
        usage: "verify",
        summary: "look at every row and every byte of the store",
        description:
          "Checks rows, blobs, files that nothing names, and staging, in this order, beside a running proxy or without one. What looks\n" +
          "wrong is read a second time before it is condemned; what is condemned is not served. Exit code 1 when something is wrong and\n" +
          "was not repaired.",
        settings: PLACE_KEYS,
        options: [["--repair", "remove what is condemned; it is fetched again when it is asked for"], JSON_OPTION],
        examples: [["larder store verify --repair", "after a power cut, or when a disk is in doubt"]],
        load: async () => (await import("./commands/store-verify.ts")).verify,
      },
      {
        usage: "rebuild",
        summary: "make the index anew from the blobs, while no proxy runs",
        description:
          "For an index that is damaged, as verify says. It is set aside as index.damaged-<ms>.sqlite, and every blob that everybody may\n" +
          "have is taken into a new one: declared packages are served from the store again, after their bytes were hashed. What URLs\n" +
          "answered is forgotten. A proxy does this by itself when it starts without its index, or with one that it cannot open.",
        settings: PLACE_KEYS,
        options: [["--force", "although nothing is wrong with the index"], JSON_OPTION],
        examples: [["larder store rebuild --root ./cache", "after verify found the index damaged"]],
        load: async () => (await import("./commands/store-rebuild.ts")).rebuild,
      },
      {
        usage: "purge <pattern>",
        summary: "forget the answers of the URIs that match",
        description:
          "A pattern is about whole URIs: ** stands for any text, * for any text without a slash, everything else for itself. Blobs\n" +
          "that no other entry names go, too, unless they are pinned.",
        settings: PLACE_KEYS,
        options: [["--dry-run", "only list the URIs"], JSON_OPTION],
        examples: [
          ["larder store purge 'https://registry.npmjs.org/left-pad'", "one answer"],
          ["larder store purge '**/left-pad-*.tgz' --dry-run", "what would be forgotten"],
        ],
        load: async () => (await import("./commands/store-purge.ts")).purge,
      },
    ],
  },
  {
    usage: "why <url>",
    summary: "say what larder would do with this URL now, and why",
    settings: SETTING_KEYS,
    options: [JSON_OPTION],
    examples: [["larder why https://registry.npmjs.org/left-pad", "class, entry, blob and decision"]],
    load: async () => (await import("./commands/why.ts")).why,
  },
  {
    usage: "user",
    summary: "users who may come in from anywhere by name and password",
    commands: [
      {
        usage: "add <name>",
        summary: "add a user, or give one a new password, which is the first line of standard input",
        settings: USER_KEYS,
        options: [],
        examples: [["pass builds/larder | larder user add builder", "no password in a list of processes or a history"]],
        load: async () => (await import("./commands/user.ts")).addUser,
      },
      {
        usage: "remove <name>",
        summary: "remove a user",
        settings: USER_KEYS,
        options: [],
        examples: [["larder user remove builder", "from the next start on"]],
        load: async () => (await import("./commands/user.ts")).removeUser,
      },
      {
        usage: "list",
        summary: "the users' names",
        settings: USER_KEYS,
        options: [JSON_OPTION],
        examples: [["larder user list", "one a line"]],
        load: async () => (await import("./commands/user.ts")).listUsers,
      },
    ],
  },
  {
    usage: "image",
    summary: "look into container images",
    commands: [
      {
        usage: "lint <image>",
        summary: "prove that nothing of larder is in an image",
        description:
          "Looks into the configuration, the history and every layer of an image for variables, the CA's bytes and the\n" +
          "placeholders of mounts. The image is a name that podman or buildah knows, or oci:DIR. Exit 1 when there is a trace.",
        settings: CA_KEYS,
        options: [
          ["--against <image>", "the same build without larder: diffIDs and configuration must be equal"],
          JSON_OPTION,
        ],
        examples: [
          ["larder image lint localhost/app", "exit 0 when nothing is found"],
          ["larder image lint oci:./layout --against localhost/plain", "the same image, byte for byte"],
        ],
        load: async () => (await import("./commands/image.ts")).lintImage,
      },
    ],
  },
  {
    usage: "ca",
    summary: "the certificate authority that clients are to trust",
    commands: [
      {
        usage: "show",
        summary: "subject, fingerprint, validity and files of the CA",
        settings: CA_KEYS,
        options: [["--pem", "print the certificate itself"], JSON_OPTION],
        examples: [["larder ca show --pem > larder.crt", "to install it elsewhere"]],
        load: async () => (await import("./commands/ca.ts")).showAuthority,
      },
      {
        usage: "path",
        summary: "where the CA certificate is",
        settings: CA_KEYS,
        options: [JSON_OPTION],
        examples: [['curl --cacert "$(larder ca path)" …', "one command that trusts it"]],
        load: async () => (await import("./commands/ca.ts")).showAuthorityPath,
      },
    ],
  },
];
