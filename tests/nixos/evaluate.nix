# What a machine with the modules of our flake would be given. `module` is what its owner writes, a value or
# a function.
{
  kind,
  module,
  system ? "x86_64-linux",
}:
let
  nixpkgs = (import ./nixpkgs/flake.nix).outputs { self = nixpkgs; };
  self = (import ../../flake.nix).outputs { inherit self nixpkgs; };
  inherit (nixpkgs) lib;
  # With our overlay, as a machine has it whose owner uses no module of ours.
  packages = nixpkgs.legacyPackages.${system};
  pkgs = packages // self.overlays.default pkgs packages;
  ours = {
    nixos = self.nixosModules.default;
    home = self.homeModules.default;
  };
  config =
    (lib.evalModules {
      modules = [
        (import ./options.nix { inherit lib; }).${kind}
        ours.${kind}
        module
      ];
      specialArgs = {
        inherit lib pkgs;
      };
    }).config;
  broken = builtins.filter (assertion: !assertion.assertion) config.assertions;
in
if broken != [ ] then throw (builtins.head broken).message else config
