# A small closure without any package: every kind of content address, references, one to itself.
{ version }:
let
  build = name: inputs: script: extra: derivation ({
    inherit name inputs;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-euc" script ];
    PATH = "/usr/bin:/bin";
  } // extra);

  # Content address text:sha256.
  notes = builtins.toFile "notes-${version}.txt" "made by Nix ${version}\n";

  # Content address fixed:sha256, fixed:sha1, fixed:sha512.
  flat = algorithm: build "flat-${algorithm}" [ ] "printf 'flat ${version}' > $out" {
    outputHashMode = "flat";
    outputHashAlgo = algorithm;
    outputHash = builtins.hashString algorithm "flat ${version}";
  };

  # Content address fixed:r:sha256.
  recursive = build "recursive" [ ] "mkdir $out; printf 'flat ${version}' > $out/file" {
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
    outputHash = "@recursive@";
  };

  library = build "library-${version}" [ ] ''
    mkdir -p $out/lib/empty
    printf 'a library\n' > $out/lib/library.so
    ln -s library.so $out/lib/library.so.1
  '' { };
in
build "application-${version}" [ notes (flat "sha256") (flat "sha1") (flat "sha512") recursive library ] ''
  mkdir -p $out/bin $out/empty
  printf '#!/bin/sh\nexec cat %s/share %s\n' "$out" "$inputs" > $out/bin/application
  chmod +x $out/bin/application
  : > $out/share
'' { }
