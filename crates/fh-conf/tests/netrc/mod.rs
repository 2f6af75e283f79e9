//! Tests of the netrc editor: properties over random files, by models of the readers and by the
//! readers themselves.

mod curl;
pub(crate) mod files;
mod nix;
mod properties;
mod readers;
mod server;
