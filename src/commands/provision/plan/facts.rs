//! What a plan is made from, beside the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fh_api::{Name, Permission};
use serde_json::Value;

use super::super::state::Present;

/// Who makes the changes.
#[derive(Debug, Clone)]
pub(in crate::commands::provision) struct Caller {
    pub(in crate::commands::provision) name: Name,
    /// With a token that manages the server.
    pub(in crate::commands::provision) administers_server: bool,
    /// What the token may be used for.
    pub(in crate::commands::provision) permissions: Vec<Permission>,
}

/// What a plan is made from, beside the file.
#[derive(Debug)]
pub(in crate::commands::provision) struct Facts<'a> {
    /// Folded names of the accounts that there are, of those that the file names.
    pub(in crate::commands::provision) accounts: &'a BTreeSet<String>,
    /// What the organisations of the file have.
    pub(in crate::commands::provision) present: &'a BTreeMap<Name, Present>,
    pub(in crate::commands::provision) caller: &'a Caller,
    /// Keys of issuers, by the file that the policy names.
    pub(in crate::commands::provision) keys: &'a BTreeMap<PathBuf, Value>,
    /// Public keys that the server signs with.
    pub(in crate::commands::provision) server_keys: &'a [String],
}
