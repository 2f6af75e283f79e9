//! Tests of rooms below, that ask them through a whole server.

mod access;
mod authenticate;
mod denials;
mod limits;
pub(crate) mod workload;
