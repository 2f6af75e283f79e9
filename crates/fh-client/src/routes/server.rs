//! The audit log, the signing keys, and what Nix reads from.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{AuditList, KeyList, Name, RotateKeys, SubstituterList};

use crate::audit::AuditFilter;
use crate::client::Client;
use crate::credentials::Reading;
use crate::error::Result;

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// What was done and what was refused; for administrators.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<AuditList> {
        self.get(&format!("/audit?{}", filter.query())).await
    }

    /// What Nix is to read from, for the caller.
    pub async fn substituters(&self, reading: &Reading) -> Result<SubstituterList> {
        let query = match reading {
            Reading::Usual => String::new(),
            Reading::Root => "?root=true".to_owned(),
            // No name has a character that an address would have to encode.
            Reading::Organizations(names) => {
                let names: Vec<&str> = names.iter().map(Name::as_str).collect();
                format!("?organizations={}", names.join(","))
            }
        };
        self.get(&format!("/substituters{query}")).await
    }
}

routes! {
    /// The keys that sign path infos; needs no token.
    get keys() -> KeyList: "/keys";
    /// The keys that sign what an organisation serves.
    get organization_keys(org: &Name) -> KeyList: "/orgs/{org}/keys";
    /// Lets the server's standby key sign from now on; for server administrators. Twice would be one rotation too many.
    post_once rotate_keys(wanted: &RotateKeys) -> KeyList: "/keys/rotate", wanted;
    /// Lets an organisation's own standby key sign from now on; for its owners.
    post_once rotate_organization_keys(org: &Name, wanted: &RotateKeys) -> KeyList: "/orgs/{org}/keys/rotate", wanted;
}
