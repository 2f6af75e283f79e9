# What stands for nixpkgs in the tests, where none can be fetched: as much of its library and of its
# package set as our flake uses, with the checks that the tests lean on (unknown options, types,
# priorities). It is written for these tests, not copied, and does not stand for a real build.
{
  outputs =
    { self }:
    let
      lib = import ./lib.nix;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs systems (system: import ./packages.nix { inherit lib system; });
    };
}
