# `services.fh`: `fh serve` as a hardened systemd service.
{ packages }:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.fh;
  inherit (lib) mkOption types;
  toml = pkgs.formats.toml { };
  configuration = toml.generate "fh-server.toml" cfg.settings;
  # With a group that may read them the files are read where they are, and again when they change.
  # Otherwise systemd hands copies over, which are those of the last start.
  asCredentials = cfg.tls != null && cfg.tls.group == null;
  tlsFile = name: path: if asCredentials then "%d/${name}" else unit.word path;
  unit = import ./systemd.nix;

  # Where the server really listens: `address` and `port` are no more than the default of `listen`.
  listen = cfg.settings.listen;
  metrics = lib.optionals (cfg.settings ? metrics-listen) [ cfg.settings.metrics-listen ];
  portOf =
    address:
    let
      found = if lib.hasPrefix "unix:" address then null else builtins.match ".*:0*([0-9]+)" address;
    in
    if found == null then [ ] else [ (builtins.fromJSON (builtins.head found)) ];
  isLoopback = address: lib.hasPrefix "127." address || lib.hasPrefix "[::1]:" address;
  # The system chooses port 0 itself.
  portsOf = addresses: builtins.filter (port: port > 0) (builtins.concatMap portOf addresses);
  openPorts = lib.unique (portsOf (builtins.filter (address: !isLoopback address) listen));
  # The options that `fh serve` has: a line of `fh serve --print-example` for each.
  example = builtins.readFile ../../docs/fh-server.toml;
  lines = builtins.filter builtins.isString (builtins.split "\n" example);
  optionOf =
    line:
    let
      found = builtins.match "#?([a-z][a-z-]*) = .*" line;
    in
    if found == null then [ ] else found;
  known = builtins.concatMap optionOf lines;
  unknown = builtins.filter (key: !builtins.elem key known) (builtins.attrNames cfg.settings);
  lowPort = builtins.any (port: port < 1024) (portsOf (listen ++ metrics));
in
{
  options.services.fh = {
    enable = lib.mkEnableOption "the server of fh: a Nix binary cache with access control per flake";

    package = mkOption {
      type = types.package;
      default = packages.${pkgs.stdenv.hostPlatform.system}.fh;
      defaultText = lib.literalExpression "fh.packages.\${system}.fh";
      description = "The package that has `fh serve`.";
    };

    address = mkOption {
      type = types.str;
      default = "127.0.0.1";
      example = "[::]";
      description = ''
        The address to listen on. An IPv6 address stands in brackets. `settings.listen` replaces it,
        and the port.
      '';
    };

    port = mkOption {
      type = types.port;
      default = 8484;
      description = "The TCP port to listen on.";
    };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether to open the ports in the firewall on which the server listens, `settings.listen`
        included. Not those of loopback addresses, and not that of `settings.metrics-listen`, which
        asks nobody for credentials.
      '';
    };

    tls = mkOption {
      default = null;
      description = "Certificate and key; without them the server speaks HTTP, for a proxy in front.";
      type = types.nullOr (
        types.submodule {
          options = {
            certificateFile = mkOption {
              type = types.str;
              example = "/var/lib/acme/cache.example.org/fullchain.pem";
              description = "The certificate chain (PEM), the server's own first.";
            };
            keyFile = mkOption {
              type = types.str;
              example = "/var/lib/acme/cache.example.org/key.pem";
              description = "The private key (PEM). Not in the Nix store.";
            };
            group = mkOption {
              type = types.nullOr types.str;
              default = null;
              example = "acme";
              description = ''
                A group that may read both files. With it, a renewed certificate is used without a
                restart. Without it only root has to be able to read them, and a renewed certificate
                needs `systemctl restart fh-server`.
              '';
            };
          };
        }
      );
    };

    settings = mkOption {
      type = toml.type;
      default = { };
      example = {
        public-url = "https://cache.example.org";
        max-token-lifetime = "365d";
      };
      description = ''
        The configuration of `fh serve`, which `fh serve --print-example` explains. It lies in the
        Nix store, which everybody can read: it holds no secrets.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.tls == null || !(lib.hasPrefix builtins.storeDir cfg.tls.keyFile);
        message = "services.fh.tls.keyFile is in the Nix store, which everybody can read";
      }
      {
        assertion = !(cfg.settings ? tls-certificate || cfg.settings ? tls-key);
        message = "services.fh.settings has the files for TLS: set them in services.fh.tls, which lets the service read them";
      }
      {
        assertion = !(cfg.settings ? data-dir);
        message = "services.fh.settings.data-dir cannot be used: the service may write only to /var/lib/fh-server; mount what you need there";
      }
      {
        assertion = unknown == [ ];
        message = "services.fh.settings.${builtins.concatStringsSep ", services.fh.settings." unknown}: `fh serve` has no such option; `fh serve --print-example` lists all";
      }
    ];
    warnings = lib.optionals (cfg.openFirewall && openPorts == [ ]) [
      "services.fh.openFirewall opens no port: the server listens only on loopback or on a Unix socket. Set services.fh.address, such as \"[::]\", or services.fh.settings.listen."
    ];

    services.fh.settings.listen = lib.mkDefault [ "${cfg.address}:${toString cfg.port}" ];

    # For the administrator: `fh serve --check`, `fh login`.
    environment.systemPackages = [ cfg.package ];
    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall openPorts;

    systemd.services.fh-server = {
      description = "Nix binary cache with access control per flake";
      documentation = [ "man:fh-serve(1)" ];
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      serviceConfig = {
        Type = "notify";
        ExecStart = lib.concatStringsSep " " (
          [ "${cfg.package}/bin/fh serve --config ${configuration}" ]
          ++ lib.optionals (cfg.tls != null) [
            "--tls-certificate ${tlsFile "tls-certificate" cfg.tls.certificateFile}"
            "--tls-key ${tlsFile "tls-key" cfg.tls.keyFile}"
          ]
        );
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        Restart = "on-failure";
        RestartSec = 2;
        # Longer than `stop-timeout`, in which running transfers may finish.
        TimeoutStopSec = 90;

        DynamicUser = true;
        StateDirectory = "fh-server";
        StateDirectoryMode = "0700";
        # For Unix sockets: everything else below /run is read-only.
        RuntimeDirectory = "fh-server";
        UMask = "0077";
        LoadCredential = lib.optionals asCredentials [
          "tls-certificate:${unit.path cfg.tls.certificateFile}"
          "tls-key:${unit.path cfg.tls.keyFile}"
        ];
        SupplementaryGroups = lib.optionals (cfg.tls != null && cfg.tls.group != null) [ cfg.tls.group ];

        AmbientCapabilities = lib.optionals lowPort [ "CAP_NET_BIND_SERVICE" ];
        CapabilityBoundingSet = if lowPort then [ "CAP_NET_BIND_SERVICE" ] else [ "" ];
        LockPersonality = true;
        MemoryDenyWriteExecute = true;
        NoNewPrivileges = true;
        PrivateDevices = true;
        PrivateTmp = true;
        # Its own user namespace would take the capability to bind a low port away.
        PrivateUsers = !lowPort;
        ProcSubset = "pid";
        ProtectClock = true;
        ProtectControlGroups = true;
        ProtectHome = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectProc = "invisible";
        ProtectSystem = "strict";
        RemoveIPC = true;
        RestrictAddressFamilies = [
          "AF_INET"
          "AF_INET6"
          "AF_UNIX"
        ];
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        SystemCallArchitectures = "native";
        SystemCallFilter = [
          "@system-service"
          "~@privileged @resources"
        ];
      };
    };
  };
}
