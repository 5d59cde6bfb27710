import { oneLine } from "../one-line.ts";

/** How the program is started, in absolute paths. */
export interface Program {
  readonly argv: readonly string[];
}

/**
 * A word of systemd's command lines (systemd.service(5)): in quotes where it holds white space or quotes, with `%` and
 * `$` doubled.
 * @throws LarderError `CONFIG_BAD_VALUE` for a value that does not fit on a line.
 */
function word(text: string): string {
  const doubled = oneLine(text).replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w@%+=:,./$-]+$/.test(doubled) ? doubled : `"${doubled.replace(/[\\"]/g, "\\$&")}"`;
}

function commandLine({ argv }: Program, ...args: readonly string[]): string {
  return [...argv, ...args].map(word).join(" ");
}

/** Nothing of this machine but its own folders and the network. No MemoryDenyWriteExecute: V8 writes what it runs. */
const HARDENING = [
  "DynamicUser=yes",
  "NoNewPrivileges=yes",
  "ProtectSystem=strict",
  "ProtectHome=yes",
  "PrivateTmp=yes",
  "PrivateDevices=yes",
  "PrivateMounts=yes",
  "ProtectProc=invisible",
  "ProtectKernelTunables=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelLogs=yes",
  "ProtectControlGroups=yes",
  "ProtectClock=yes",
  "ProtectHostname=yes",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "LockPersonality=yes",
  "CapabilityBoundingSet=",
  "SystemCallArchitectures=native",
  "SystemCallFilter=@system-service",
  "SystemCallErrorNumber=EPERM",
  "UMask=0027",
];
/** Folders of the service itself, by systemd's specifiers for cache, state and configuration. */
const PLACES = [
  "CacheDirectory=larder",
  "StateDirectory=larder",
  "StateDirectoryMode=0700",
  "RuntimeDirectory=larder",
  "ConfigurationDirectory=larder",
  // A dynamic user has no home of its own, and is known to nobody where libnss-systemd is not installed.
  "Environment=HOME=%S/larder",
  "Environment=LARDER_ROOT=%C/larder",
  "Environment=LARDER_STATE=%S/larder",
  // The CA is made there at the first start, and larder.toml read where there is one; files that a setting names must be there.
  "Environment=XDG_CONFIG_HOME=%S",
  // Settings of the machine's own, `LARDER_CONFIG=/etc/larder/larder.toml` among them.
  "EnvironmentFile=-%E/larder/environment",
  "Environment=XDG_RUNTIME_DIR=%t/larder",
];

/** The proxy as a service: its sockets are the manager's, so that a restart refuses nobody. */
export function renderService(program: Program): string {
  return unit({
    Unit: [
      "Description=larder, a caching proxy for package downloads",
      "Requires=larder.socket",
      "After=larder.socket",
    ],
    Service: [
      "Type=notify",
      // The word is said by systemd-notify, a process of its own.
      "NotifyAccess=all",
      `ExecStart=${commandLine(program, "serve")}`,
      "Restart=on-failure",
      "TimeoutStopSec=30",
      "LimitNOFILE=65536",
      "PrivateUsers=yes",
      ...PLACES,
      "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
      ...HARDENING,
    ],
    Install: ["WantedBy=multi-user.target", "Also=larder.socket"],
  });
}

/** Loopback only, as larder itself listens. */
export function renderSocket(): string {
  return unit({
    Unit: ["Description=larder's addresses"],
    Socket: ["ListenStream=127.0.0.1:3142", "ListenStream=[::1]:3142", "BindIPv6Only=ipv6-only", "Backlog=4096"],
    Install: ["WantedBy=sockets.target"],
  });
}

/**
 * The search for the cache. `nix-daemon` keeps the configuration it started with, so the first look comes before it;
 * ten seconds bound that. It goes on looking, because a oneshot that succeeds without a network is never run again.
 */
export function renderResolveService(program: Program): string {
  return unit({
    Unit: [
      "Description=find the larder of this network",
      "Wants=network-online.target",
      "Before=nix-daemon.service",
      "StartLimitIntervalSec=0",
    ],
    Service: [
      "Type=notify",
      "NotifyAccess=all",
      `ExecStart=${commandLine(program, "resolve", "--watch", "--on-change", "systemctl --no-block try-restart nix-daemon.service")}`,
      "RuntimeDirectory=cache-resolver",
      "RuntimeDirectoryMode=0755",
      "RuntimeDirectoryPreserve=yes",
      "TimeoutStartSec=10",
      "Restart=always",
      "RestartSec=5",
      // To restart nix-daemon it is root, and may do little else.
      ...HARDENING.filter((line) => !/^(DynamicUser|UMask)=/.test(line)),
      "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    ],
    Install: ["WantedBy=multi-user.target"],
  });
}

function unit(sections: Readonly<Record<string, readonly string[]>>): string {
  const blocks = Object.entries(sections).map(([name, lines]) => [`[${name}]`, ...lines].join("\n"));
  return `${blocks.join("\n\n")}\n`;
}
