#!/bin/sh
# Makes the vectors of the Nix that is first in PATH, in the directory of its version. See README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
# A database of its own: one that has met other runs' keys would tell their signatures too.
export NIX_STATE_DIR="$work/var" NIX_LOG_DIR="$work/log"
export HOME="$work" XDG_CACHE_HOME="$work/cache" NIX_CONF_DIR="$work" NIX_CONFIG='
experimental-features = nix-command
substituters =
sandbox = false
build-users-group =
'
umask 022
version=$(nix --version | sed 's/.* //')
out="$here/$version"
mkdir -p "$out"

# NARs.
sh "$here/tree.sh" "$work/tree"
nix-store --dump "$work/tree" > "$out/tree.nar"
nix-store --dump "$work/tree/executable" > "$out/executable.nar"
nix-store --dump "$work/tree/dangling" > "$out/symlink.nar"
nix-hash --type sha256 "$work/tree" > "$out/tree.base16"
nix-hash --type sha256 --base32 "$work/tree" > "$out/tree.base32"

# A listing: of the tree without the name that is not UTF-8, which newer versions refuse to list, and
# with one that has to be escaped.
cp -a "$work/tree" "$work/listed"
rm "$work/listed/$(printf '\377\376\n\052')"
printf x > "$work/listed/$(printf '"\\\t\n\001\037\177')"
listed=$(nix store add-path --name listed "$work/listed")
nix-store --dump "$listed" > "$out/listed.nar"
nix copy --to "file://$work/listing?compression=none&write-nar-listing=true" "$listed"
cp "$work"/listing/*.ls "$out/listed.ls"

# A closure, signed by two keys.
mkdir "$work/recursive"
printf 'flat %s' "$version" > "$work/recursive/file"
recursive=$(nix-hash --type sha256 --base32 "$work/recursive")
sed "s/@recursive@/$recursive/" "$here/closure.nix" > "$work/closure.nix"
nix-build --no-out-link --argstr version "$version" "$work/closure.nix" > "$work/top"
top=$(cat "$work/top")
for key in 1 2; do
  nix-store --generate-binary-cache-key "vectors-$key" "$work/secret" "$out/key-$key.public"
  nix store sign --key-file "$work/secret" --recursive "$top"
  [ $key = 2 ] || cp "$work/secret" "$out/key-$key.secret"
done

# Path infos: of the closure, and of a path that does not exist.
absent=/nix/store/00000000000000000000000000000000-absent
paths=$(nix-store --query --requisites "$top")
case $version in
  2.8.* | 2.26.*) formats=default ;;
  *) formats='default 2' ;;
esac
for format in $formats; do
  case $format in
    default) flag= ;;
    *) flag="--json-format $format" ;;
  esac
  # shellcheck disable=SC2086 # words on purpose
  nix path-info --offline --json $flag $paths "$absent" > "$out/path-info-$format.json"
done

# A binary cache.
for compression in none xz zstd; do
  nix copy --to "file://$work/$compression?compression=$compression" "$top"
done
cp "$work/none/nix-cache-info" "$out/"
mkdir -p "$out/narinfo"
for compression in xz zstd; do
  hash=$(basename "$top" | cut -c 1-32)
  cp "$work/$compression/$hash.narinfo" "$out/narinfo/$compression.narinfo"
done
chmod 644 "$out"/key-1.secret
# Each path of the closure, uncompressed, with its NAR.
for path in $paths; do
  hash=$(basename "$path" | cut -c 1-32)
  cp "$work/none/$hash.narinfo" "$out/narinfo/"
  cp "$work/none/$(sed -n 's/^URL: //p' "$work/none/$hash.narinfo")" "$out/narinfo/$hash.nar"
done
chmod -R u+w "$out"
