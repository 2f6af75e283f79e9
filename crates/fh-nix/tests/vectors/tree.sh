#!/bin/sh
# Creates the tree that tests/vectors.rs calls `tree()`, at $1.
set -eu
mkdir -p "$1/nested/deeper/Empty directory"
cd "$1"
printf '' > empty
printf '#!/bin/sh\n' > executable
chmod 755 executable
printf '' > 'empty executable'
chmod 755 'empty executable'
printf 1234567 > '7 bytes'
printf 12345678 > '8 bytes'
ln -s ../nowhere dangling
ln -s empty "$(printf 'l\303\251')"
printf 'not UTF-8' > "$(printf '\377\376\n\052')"
printf 'deep' > nested/deeper/file
printf '' > nested.a
printf '' > nested-a
printf '' > ...
chmod 644 empty '7 bytes' '8 bytes' nested/deeper/file nested.a nested-a ... "$(printf '\377\376\n\052')"
