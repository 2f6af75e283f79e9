{
  description = "A Nix binary cache with access control per flake: the command line and the server";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

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
      package = pkgs: pkgs.callPackage ./nix/package.nix { };
      modules = {
        client = import ./nix/nixos/client.nix { inherit (self) packages; };
        server = import ./nix/nixos/server.nix { inherit (self) packages; };
        home = import ./nix/home-manager.nix { inherit (self) packages; };
      };
    in
    {
      packages = forEachSystem (pkgs: {
        default = package pkgs;
        fh = package pkgs;
        fh-client = (package pkgs).override { withServer = false; };
      });

      overlays.default = final: prev: {
        fh = package final;
        fh-client = (package final).override { withServer = false; };
      };

      nixosModules = {
        inherit (modules) client server;
        default = {
          imports = [
            modules.client
            modules.server
          ];
        };
      };

      # The output has had both names in home-manager's own documentation.
      homeModules.default = modules.home;
      homeManagerModules.default = modules.home;

      devShells = forEachSystem (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ (package pkgs) ];
          packages = [
            pkgs.cargo-deny
            pkgs.clippy
            pkgs.nginx
            pkgs.rust-analyzer
            pkgs.rustfmt
          ];
        };
      });

      checks = forEachSystem (pkgs: {
        package = package pkgs;
        client = (package pkgs).override { withServer = false; };
      });

      formatter = forEachSystem (pkgs: pkgs.nixfmt-rfc-style);
    };
}
