# The package. `withServer = false` builds the client alone, without `fh serve`.
{
  lib,
  rustPlatform,
  installShellFiles,
  withServer ? true,
}:
let
  manifest = builtins.fromTOML (builtins.readFile ../Cargo.toml);
in
rustPlatform.buildRustPackage {
  pname = if withServer then "fh" else "fh-client";
  version = manifest.workspace.package.version;

  # What the build reads, so that a changed document or test does not rebuild it.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../Cargo.lock
      ../Cargo.toml
      ../completions
      ../crates
      ../docs/fh-server.toml
      ../man
      ../src
      ../tests
      ../xtask
    ];
  };
  cargoLock.lockFile = ../Cargo.lock;

  cargoBuildFlags = [ "--package=fh" ];
  buildNoDefaultFeatures = !withServer;
  # The whole suite wants several versions of Nix and a store of its own: `cargo xtask test`.
  cargoTestFlags = [
    "--package=fh-nix"
    "--package=fh-auth"
    "--package=fh-api"
  ];

  nativeBuildInputs = [ installShellFiles ];
  postInstall = ''
    installManPage man/*.1
    installShellCompletion completions/fh.bash completions/_fh completions/fh.fish
  '';

  meta = {
    description = "A Nix binary cache with access control per flake";
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = "fh";
    platforms = lib.platforms.unix;
  };
}
