import { PLACE_KEYS, SETTING_KEYS } from "../../settings/settings.ts";
import { type CommandSpec, JSON_OPTION, VM_OPTIONS } from "../command-spec.ts";

/** The proxy itself, and what runs through it. */
export const PROXY_COMMANDS: readonly CommandSpec[] = [
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
    load: async () => (await import("../../commands/serve.ts")).serve,
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
    load: async () => (await import("../../commands/run.ts")).run,
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
      [
        "--bind-bundle <files>",
        "with --isolation=chroot: bind roots that hold the CA over these files of the image, comma-separated",
      ],
      ["--no-dnf-conf", "lend containers no dnf.conf that names larder's CA; dnf then trusts none"],
    ],
    passesOptionsOn: true,
    examples: [
      ["larder build -- podman build -t app .", "an unedited Containerfile, any tool inside"],
      ["larder build -- buildah bud --network=host .", "buildah, on the host's network"],
      ["larder build --root ./cache -- podman run --rm fedora dnf -y install git", "a container"],
    ],
    load: async () => (await import("../../commands/build.ts")).build,
  },
  {
    usage: "vm <command...>",
    summary: "run a QEMU guest with a way to the proxy, in a session of its own",
    description:
      "Runs the command with the arguments that vm-args prints, for a listener that is this guest's own and ends with it; behind -append,\n" +
      "what the kernel is told. The guest ends with larder, however that ends. Signals and the exit code pass through; a receipt\n" +
      "follows on stderr.",
    settings: SETTING_KEYS,
    options: [
      ["--session <name>", "name of the session in the ledger (default: vm)"],
      ...VM_OPTIONS,
      ["--receipt <file>", "write the receipt as JSON to this file, too"],
      ["--json", "print the receipt as one line of JSON"],
    ],
    passesOptionsOn: true,
    examples: [
      ["larder vm -- qemu-system-x86_64 -m 2G -nographic disk.qcow2", "a guest of which a receipt is kept"],
      ["larder vm --isolated --session ci-7 -- qemu-system-x86_64 -m 2G disk.qcow2", "one that reaches packages only"],
    ],
    load: async () => (await import("../../commands/vm.ts")).vm,
  },
  {
    usage: "status",
    summary: "say whether a proxy serves this store, and what it does",
    settings: PLACE_KEYS,
    options: [JSON_OPTION],
    examples: [["larder status --root ./cache", "exit 1 when none runs"]],
    load: async () => (await import("../../commands/status.ts")).status,
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
    load: async () => (await import("../../commands/config.ts")).showConfig,
  },
];
