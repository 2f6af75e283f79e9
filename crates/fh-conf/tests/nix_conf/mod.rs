//! Tests of the nix.conf editor: properties over random files, and Nix's own word on them.

pub(crate) mod files;
mod nix;
mod properties;
