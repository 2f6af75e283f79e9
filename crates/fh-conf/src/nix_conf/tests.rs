//! Tests of the nix.conf editor.
