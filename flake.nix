{
  description = "A Nix binary cache with access control per flake: the command line and the server";

  inputs.nixpkgs.url = "nixpkgs";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      forEachSystem = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      version = (builtins.fromTOML (builtins.readFile ./Cargo.toml)).workspace.package.version;
    in
    {
      packages = forEachSystem (pkgs: {
        default = self.packages.${pkgs.stdenv.hostPlatform.system}.fh;
        fh = pkgs.rustPlatform.buildRustPackage {
          pname = "fh";
          inherit version;
          src = self;
          cargoLock.lockFile = ./Cargo.lock;
          cargoBuildFlags = [ "--package=fh" ];
          # The whole suite wants several versions of Nix and a store of its own: `cargo xtask test`.
          cargoTestFlags = [
            "--package=fh-nix"
            "--package=fh-auth"
            "--package=fh-api"
          ];
          nativeBuildInputs = [ pkgs.installShellFiles ];
          postInstall = ''
            installManPage man/*.1
            installShellCompletion completions/fh.bash completions/_fh completions/fh.fish
          '';
          meta = {
            description = "A Nix binary cache with access control per flake";
            license = with pkgs.lib.licenses; [
              mit
              asl20
            ];
            mainProgram = "fh";
          };
        };
      });

      devShells = forEachSystem (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ self.packages.${pkgs.stdenv.hostPlatform.system}.fh ];
          packages = [
            pkgs.cargo-deny
            pkgs.clippy
            pkgs.nginx
            pkgs.rustfmt
          ];
        };
      });

      formatter = forEachSystem (pkgs: pkgs.nixfmt-rfc-style);
    };
}
