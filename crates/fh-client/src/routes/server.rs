//! The audit log and the signing keys.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{API_PREFIX, AuditList, KeyList};
use http::Method;

use super::{parse, request};
use crate::audit::AuditFilter;
use crate::client::Client;
use crate::error::Result;
use crate::http::{Content, Request};
use crate::retry::Repeat;

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// What was done and what was refused; for administrators.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<AuditList> {
        self.get(&format!("/audit?{}", filter.query())).await
    }

    /// The keys that sign path infos; needs no token.
    pub async fn keys(&self) -> Result<KeyList> {
        self.get("/keys").await
    }

    /// Lets the standby key sign from now on; for server administrators.
    pub async fn rotate_keys(&self) -> Result<KeyList> {
        let request = Request {
            // Twice would be one rotation too many.
            repeat: Repeat::IfUnsent,
            ..request(
                Method::POST,
                format!("{API_PREFIX}/keys/rotate"),
                Content::Empty,
            )
        };
        parse(&self.transport.send(&request).await?)
    }
}
