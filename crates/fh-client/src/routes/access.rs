//! What applies: why somebody can read a path, who has a role on a flake, what somebody has access to.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{AccessExplanation, AccessList, FlakePattern, Name, UserAccess};

use super::pattern_path;
use crate::client::Client;
use crate::error::{Error, Result};

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// Which slices hold a path, given by its hash or base name, and who reads them by what.
    pub async fn explain_access(
        &self,
        path: &str,
        user: Option<&Name>,
    ) -> Result<AccessExplanation> {
        // Letters, digits and what else may stand in the name of a store path.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte);
        if !path.bytes().all(allowed) {
            return Err(Error::InvalidRequest {
                reason: format!("{path:?} is not the name of a store path"),
            });
        }
        let path: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        let user = user.map(|user| format!("&user={user}")).unwrap_or_default();
        self.get(&format!("/access?path={path}{user}")).await
    }

    /// Who has a role on a flake, or on every flake of an organisation, and what gives it to them.
    pub async fn access_list(&self, on: &FlakePattern) -> Result<AccessList> {
        let path = pattern_path(on, "roles")?;
        self.get(&format!("{path}/access")).await
    }
}

routes! {
    /// What an account is in, holds and can reach.
    get user_access(user: &Name) -> UserAccess: "/users/{user}/access";
}
