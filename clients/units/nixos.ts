/**
 * A NixOS module for machines that use a larder of their network: by `larder resolve` (the default), or at a fixed
 * address. Nix takes what is signed by a key it trusts already, and nothing else: the module adds no key and trusts
 * nobody.
 */
export function renderNixosModule(): string {
  return MODULE;
}

const MODULE = `# written by: larder units print nixos-module
{ config, lib, pkgs, ... }:
let
  cfg = config.services.larder-client;
  stateDir = "/run/cache-resolver";
in
{
  options.services.larder-client = {
    enable = lib.mkEnableOption "a cache of this network for Nix, found by larder";
    package = lib.mkOption {
      type = lib.types.nullOr lib.types.package;
      default = null;
      description = "The package that holds bin/larder; needed for dynamicResolution.";
    };
    dynamicResolution = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether to look for the cache; it may move, or be away.";
    };
    serverUrl = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "http://cache.lan:3142/nix/";
      description = "Where the cache is, when it is not looked for.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.dynamicResolution -> cfg.package != null;
        message = "services.larder-client.package is needed to look for the cache; or set dynamicResolution = false and serverUrl";
      }
      {
        assertion = !cfg.dynamicResolution -> cfg.serverUrl != null;
        message = "services.larder-client.serverUrl is needed when the cache is not looked for";
      }
    ];

    # The file may not be there yet: "!include" says nothing then. It stands last, for extra-substituters adds to what came before.
    nix.extraOptions = lib.mkIf cfg.dynamicResolution (lib.mkAfter ''
      !include \${stateDir}/nix.conf
    '');
    nix.settings = lib.mkIf (!cfg.dynamicResolution) {
      extra-substituters = [ cfg.serverUrl ];
      fallback = true;
      connect-timeout = 2;
      stalled-download-timeout = 15;
      download-attempts = 2;
      narinfo-cache-negative-ttl = 60;
    };

    systemd.services.larder-resolve = lib.mkIf cfg.dynamicResolution {
      description = "find the larder of this network";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      before = [ "nix-daemon.service" ];
      unitConfig.StartLimitIntervalSec = 0;
      path = [ pkgs.systemd ];
      serviceConfig = {
        Type = "notify";
        NotifyAccess = "all";
        ExecStart = "\${cfg.package}/bin/larder resolve --watch --on-change 'systemctl --no-block try-restart nix-daemon.service'";
        RuntimeDirectory = "cache-resolver";
        RuntimeDirectoryPreserve = true;
        TimeoutStartSec = 10;
        Restart = "always";
        RestartSec = 5;
      };
    };
  };
}
`;
