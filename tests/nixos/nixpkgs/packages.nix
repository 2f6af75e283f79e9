{ lib, system }:
let
  # A package that is nothing but its name: what uses it is looked at, not built.
  stand =
    name: attributes:
    derivation {
      inherit name system;
      builder = "/bin/sh";
      args = [
        "-c"
        "echo > $out"
      ];
    }
    // attributes;

  makeOverridable =
    function: arguments:
    function arguments
    // {
      override = changed: makeOverridable function (arguments // changed);
    };

  packages = {
    inherit lib;
    stdenv.hostPlatform = { inherit system; };
    rustPlatform.buildRustPackage =
      arguments:
      assert builtins.pathExists arguments.cargoLock.lockFile;
      stand "${arguments.pname}-${arguments.version}" arguments;
    mkShell = arguments: stand "shell" arguments;
    callPackage =
      file: given:
      let
        function = import file;
        wanted = builtins.functionArgs function;
      in
      makeOverridable function (builtins.intersectAttrs wanted packages // given);
    formats.toml = _: {
      # Every value that TOML has, as far as the tests use them.
      type = lib.types.attrsOf lib.types.anything;
      generate =
        name: settings:
        builtins.toFile name (
          lib.concatStringsSep "" (
            map (key: "${key} = ${builtins.toJSON settings.${key}}\n") (builtins.attrNames settings)
          )
        );
    };
  }
  // lib.genAttrs [
    "cargo-deny"
    "clippy"
    "coreutils"
    "installShellFiles"
    "nginx"
    "nixfmt-rfc-style"
    "rust-analyzer"
    "rustfmt"
  ] (name: stand name { });
in
packages
