//! Grants on flakes and on whole organisations.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{CreateGrant, FlakePattern, GrantInfo, GrantList, Role, Subject};

use super::pattern_path;
use crate::client::Client;
use crate::error::Result;

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// The grants on a flake, or on every flake of an organisation.
    pub async fn grants(&self, on: &FlakePattern) -> Result<GrantList> {
        self.get(&grants_path(on)?).await
    }

    /// What was granted to one there, also by a former name.
    pub async fn grant(&self, on: &FlakePattern, subject: &Subject) -> Result<GrantInfo> {
        self.get(&format!("{}/{subject}", grants_path(on)?)).await
    }

    /// Gives somebody this role, whatever it was before.
    pub async fn set_grant(
        &self,
        on: &FlakePattern,
        subject: &Subject,
        role: Role,
    ) -> Result<GrantInfo> {
        let path = format!("{}/{subject}", grants_path(on)?);
        self.put(&path, &CreateGrant { role }).await
    }

    /// Takes somebody's grant away.
    pub async fn remove_grant(&self, on: &FlakePattern, subject: &Subject) -> Result<()> {
        self.delete(&format!("{}/{subject}", grants_path(on)?))
            .await
    }
}

/// Subjects hold nothing that would have to be escaped in an address: `:` and `@` may stand there.
fn grants_path(on: &FlakePattern) -> Result<String> {
    Ok(format!("{}/grants", pattern_path(on, "grants")?))
}
