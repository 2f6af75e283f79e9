# The options of NixOS and of home-manager that our modules define, for the tests.
{ lib }:
let
  anything = lib.mkOption {
    type = lib.types.anything;
  };
  free = lib.mkOption {
    type = lib.types.attrsOf lib.types.anything;
    default = { };
  };
  list = lib.mkOption {
    type = lib.types.listOf lib.types.anything;
    default = [ ];
  };
in
{
  nixos.options = {
    assertions = list;
    environment.systemPackages = list;
    environment.variables = free;
    networking.firewall.allowedTCPPorts = list;
    nix.settings = free;
    system.activationScripts = free;
    systemd.services = free;
    systemd.paths = free;
    warnings = list;
  };
  home.options = {
    assertions = list;
    home.packages = list;
    home.sessionVariables = free;
    home.activation = free;
    nix.settings = free;
    xdg.configHome = anything;
  };
}
