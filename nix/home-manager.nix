# `programs.fh` of home-manager: the user's Nix substitutes from a server of `fh`.
#
# Where a Nix daemon does not trust the user, it takes no substituters from them: then the machine
# has to be set up, on NixOS with the module of the same name.
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
      description = "The address of the server: what `fh` uses where no other is named, and the host of the netrc entry.";
    };

    substituters = mkOption {
      type = types.listOf types.str;
      default = [ cfg.server ];
      defaultText = lib.literalExpression "[ config.programs.fh.server ]";
      description = "What Nix substitutes from: the server's address, or narrower, `…/cache/ORG` or `…/cache/ORG/PROJECT`.";
    };

    publicKeys = mkOption {
      type = types.listOf types.str;
      description = "Both public keys of the server, which `fh login --print` prints.";
    };

    tokenFile = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "/run/user/1000/secrets/fh-token";
      description = ''
        A file with the token, outside of the Nix store. Without it, run `fh login --no-nix-conf`
        yourself.
      '';
    };

    netrcFile = mkOption {
      type = types.str;
      default = "${config.xdg.configHome}/nix/netrc";
      defaultText = lib.literalExpression "\"\${config.xdg.configHome}/nix/netrc\"";
      description = "The netrc that Nix reads. Entries of other hosts in it stay as they are.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = import ./client-assertions.nix { inherit lib cfg; };

    home.packages = [ cfg.package ];
    home.sessionVariables.FH_SERVER = lib.mkDefault cfg.server;

    nix.settings = {
      extra-substituters = cfg.substituters;
      extra-trusted-public-keys = cfg.publicKeys;
      netrc-file = cfg.netrcFile;
    };

    # Asks no server, and never fails the activation: a token that is not there yet is no reason to
    # leave a person without the rest of their home.
    home.activation.fhLogin = lib.mkIf (cfg.tokenFile != null) (
      lib.hm.dag.entryAfter [ "linkGeneration" ] ''
        run ${
          lib.escapeShellArgs [
            "${cfg.package}/bin/fh"
            "login"
            "--server=${cfg.server}"
            "--token-file=${cfg.tokenFile}"
            "--scope=user"
            "--activation"
          ]
        } || warnEcho "fh: could not be run, so the netrc was not written"
      ''
    );
  };
}
