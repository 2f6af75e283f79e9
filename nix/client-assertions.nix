# What `programs.fh` of NixOS and of home-manager refuse when a configuration is evaluated, so that nothing of
# it is found out only when it is activated. No option is free text for the command line.
# `tests/end_to_end/activation.rs` holds these rules to what `fh` takes.
{ lib, cfg }:
let
  matches = pattern: text: builtins.match pattern text != null;
  all = check: values: builtins.all check values;
  # `HOST`, `HOST:PORT`, `[IPv6]:PORT`, with a path: as much as a line of nix.conf, of a unit and of netrc lets stand
  # as one word.
  host = "([A-Za-z0-9][A-Za-z0-9_.-]*|\\[[0-9A-Fa-f:.]+])";
  path = "/[A-Za-z0-9_./~+:%,=@-]*";
  isPort = port: port == null || builtins.stringLength port <= 5 && builtins.fromJSON port <= 65535;
  isAddress =
    scheme: text:
    let
      found = builtins.match "${scheme}${host}(:0*([0-9]+))?(${path})?" text;
    in
    found != null && isPort (builtins.elemAt found 2);
  isKey = matches "[^[:space:]:]+:[^[:space:]:]+";
  isFile = matches "/[^\n]*";
in
[
  {
    assertion = isAddress "https?://" cfg.server || isAddress "" cfg.server;
    # What was written may hold a password.
    message = "programs.fh.server is not the address of a server: write it like \"https://cache.example.org\", without credentials";
  }
  {
    assertion = all (isAddress "https?://") cfg.substituters;
    message = "programs.fh.substituters has to be addresses that begin with https:// or http://, without blanks: ${builtins.toJSON cfg.substituters}";
  }
  {
    assertion = cfg.publicKeys != [ ];
    message = "programs.fh.publicKeys is empty: Nix would refuse everything that the server serves";
  }
  {
    assertion = all isKey cfg.publicKeys;
    message = "programs.fh.publicKeys has to be keys like \"cache.example.org-1:…\", one in each string: ${builtins.toJSON cfg.publicKeys}";
  }
  {
    assertion = cfg.tokenFile == null || isFile cfg.tokenFile;
    message = "programs.fh.tokenFile is ${builtins.toJSON cfg.tokenFile}: write a path that begins with a slash";
  }
  {
    assertion = cfg.tokenFile == null || !(lib.hasPrefix builtins.storeDir cfg.tokenFile);
    message = "programs.fh.tokenFile is in the Nix store, which everybody can read: name a file outside of it, as a string";
  }
  {
    assertion = isFile cfg.netrcFile;
    message = "programs.fh.netrcFile is ${builtins.toJSON cfg.netrcFile}: write a path that begins with a slash";
  }
]
