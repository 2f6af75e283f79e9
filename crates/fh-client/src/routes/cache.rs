//! The binary cache, as far as this program reads it itself; Nix does the rest.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_nix::{NarInfo, StoreDir, StorePath};

use crate::client::Client;
use crate::error::{Error, Result};
use crate::http::Request;
use crate::text::safe_line;

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// What a cache at this client's address says of a store path; none where it does not give it to the
    /// caller, for whatever reason.
    pub async fn narinfo(&self, path: &StorePath, store: &StoreDir) -> Result<Option<NarInfo>> {
        let request = Request::get(format!("/{}.narinfo", path.hash()));
        let answer = match self.transport.send(&request).await {
            Ok(answer) => answer,
            Err(error) if matches!(error.status(), Some(401 | 403 | 404)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let invalid = |reason: &dyn std::fmt::Display| Error::InvalidAnswer {
            url: answer.url.clone(),
            reason: safe_line(&reason.to_string(), 300),
        };
        let text = std::str::from_utf8(&answer.body).map_err(|error| invalid(&error))?;
        let given = NarInfo::parse(text, store).map_err(|error| invalid(&error))?;
        if given.info.path.hash() != path.hash() {
            return Err(invalid(&"it is about another path"));
        }
        Ok(Some(given))
    }
}
