# `programs.fh`: Nix on this machine substitutes from a server of `fh`.
#
# On NixOS nix.conf lies in the store, so the module says what `fh login` would write there. A service
# puts the token into the netrc that Nix reads; with `activation`, the activation of a configuration does
# it too. Both ask no server and use no network: they cannot keep a machine from booting, and they may run
# at any time, also at the same time.
{ packages }:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.programs.fh;
  inherit (lib) mkOption types;
  unit = import ./systemd.nix;
  hasToken = cfg.tokenFile != null;
  # What both of them keep for themselves: this token, and what was added to the netrc.
  state = "/var/lib/fh-login";
  login = [
    "login"
    "--server=${cfg.server}"
    "--token-file=${cfg.tokenFile}"
    "--scope=system"
  ];
in
{
  options.programs.fh = {
    enable = lib.mkEnableOption "fh, and substitution from the server it names";

    package = mkOption {
      type = types.package;
      default = packages.${pkgs.stdenv.hostPlatform.system}.fh-client;
      defaultText = lib.literalExpression "fh.packages.\${system}.fh-client";
      description = "The package that has `fh`.";
    };

    server = mkOption {
      type = types.str;
      example = "https://cache.example.org";
      description = ''
        The address of the server. It is what `fh` uses where no other is named (`FH_SERVER`), and
        the host of the netrc entry.
      '';
    };

    substituters = mkOption {
      type = types.listOf types.str;
      default = [ cfg.server ];
      defaultText = lib.literalExpression "[ config.programs.fh.server ]";
      example = [ "https://cache.example.org/cache/acme/app" ];
      description = ''
        What Nix substitutes from: the server's address for all that the token may read, or
        narrower, `…/cache/ORG` for one organisation and `…/cache/ORG/PROJECT` for one flake.
      '';
    };

    publicKeys = mkOption {
      type = types.listOf types.str;
      example = [
        "cache.example.org-1:AAAA…"
        "cache.example.org-2:BBBB…"
      ];
      description = ''
        Both public keys of the server, which `fh login --print` prints: the active one and the
        standby, so that a rotation of the server's keys needs no change here on that day.
      '';
    };

    tokenFile = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "/run/secrets/fh-token";
      description = ''
        A file with the machine's token, readable by root. It must not be in the Nix store, which
        everybody can read. When it changes, the netrc follows. Without it, only public flakes are
        substituted.
      '';
    };

    activation = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether the activation of a configuration writes the token into the netrc too. Then Nix can
        substitute from the server as soon as `nixos-rebuild switch` gets to it, and one line tells
        what was done. It never makes an activation fail. A token that comes later is written by the
        service.
      '';
    };

    netrcFile = mkOption {
      type = types.str;
      default = "/etc/nix/netrc";
      description = "The netrc that Nix reads. Entries of other hosts in it stay as they are.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = import ../client-assertions.nix { inherit lib cfg; } ++ [
      {
        assertion = cfg.activation -> hasToken;
        message = "programs.fh.activation has nothing to write: set programs.fh.tokenFile";
      }
    ];

    environment.systemPackages = [ cfg.package ];
    environment.variables.FH_SERVER = lib.mkDefault cfg.server;

    nix.settings = {
      extra-substituters = cfg.substituters;
      extra-trusted-public-keys = cfg.publicKeys;
      netrc-file = cfg.netrcFile;
    };

    # Behind what links nix.conf and what decrypts the secrets of sops-nix; those of agenix are there
    # before `etc`. Nothing of whoever starts an activation counts but these two variables.
    system.activationScripts.fh-login = lib.mkIf (cfg.activation && hasToken) {
      deps = [
        "etc"
      ]
      ++ lib.optionals (config.system.activationScripts ? setupSecrets) [ "setupSecrets" ];
      text = ''
        env -i NIX_CONF_DIR=/etc/nix XDG_CONFIG_HOME=${state} ${
          lib.escapeShellArgs ([ "${cfg.package}/bin/fh" ] ++ login ++ [ "--activation" ])
        } || echo "fh: could not be run, so the netrc was not written" >&2
      '';
    };

    systemd.services.fh-login = lib.mkIf hasToken {
      description = "Token of fh in the netrc that Nix reads";
      # Wanted, not required: if it fails, Nix works on without this server's private flakes.
      wantedBy = [
        "multi-user.target"
        "nix-daemon.service"
      ];
      before = [ "nix-daemon.service" ];
      unitConfig.ConditionPathExists = unit.path cfg.tokenFile;
      environment = {
        NIX_CONF_DIR = "/etc/nix";
        XDG_CONFIG_HOME = state;
      };
      serviceConfig = {
        Type = "oneshot";
        ExecStart = lib.concatStringsSep " " (
          [ "${cfg.package}/bin/fh" ]
          ++ map unit.word (
            login
            ++ [
              "--no-nix-conf"
              "--offline"
              "--yes"
            ]
          )
        );
        StateDirectory = "fh-login";
        StateDirectoryMode = "0700";
        UMask = "0077";
        ProtectSystem = "strict";
        ReadWritePaths = [ (unit.listedPath (builtins.dirOf cfg.netrcFile)) ];
        PrivateNetwork = true;
        PrivateTmp = true;
        NoNewPrivileges = true;
      };
    };

    # A token that is renewed (by a secret manager, by hand) reaches the netrc without a reboot.
    systemd.paths.fh-login = lib.mkIf hasToken {
      description = "Changes of the token of fh";
      wantedBy = [ "multi-user.target" ];
      pathConfig.PathChanged = unit.path cfg.tokenFile;
    };
  };
}
