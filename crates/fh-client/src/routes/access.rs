//! Why somebody can read a path.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{AccessExplanation, Name};

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
        // Letters, digits and what else may stand in the name of a store path; of these only `+`, `=` and
        // `?` mean something in a query.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte);
        if !path.bytes().all(allowed) {
            return Err(Error::InvalidRequest {
                reason: format!("{path:?} is not the name of a store path"),
            });
        }
        let path = path
            .replace('+', "%2B")
            .replace('=', "%3D")
            .replace('?', "%3F");
        let user = user.map(|user| format!("&user={user}")).unwrap_or_default();
        self.get(&format!("/access?path={path}{user}")).await
    }
}
