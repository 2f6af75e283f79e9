//! Tokens.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{CreateToken, MintedToken, Name, RotateToken, TokenInfo, TokenList};
use uuid::Uuid;

use crate::client::Client;
use crate::error::Result;

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// The caller's tokens; with `all`, those of everybody (for server administrators).
    pub async fn tokens(&self, all: bool) -> Result<TokenList> {
        self.get(if all { "/tokens?all=true" } else { "/tokens" })
            .await
    }

    /// The tokens of an account: for server administrators, and of a service account for who
    /// administers its organisation.
    pub async fn tokens_of(&self, user: &Name) -> Result<TokenList> {
        self.get(&format!("/tokens?user={user}")).await
    }

    /// Mints a token: the only time that it is shown.
    pub async fn create_token(&self, new: &CreateToken) -> Result<MintedToken> {
        self.create("/tokens", new, false)
            .await
            .map(|made| made.value)
    }

    /// Mints a token like that one, which ends.
    pub async fn rotate_token(&self, id: Uuid, rotate: &RotateToken) -> Result<MintedToken> {
        self.create(&format!("/tokens/{id}/rotate"), rotate, false)
            .await
            .map(|made| made.value)
    }

    /// What the server keeps of a token.
    pub async fn token(&self, id: Uuid) -> Result<TokenInfo> {
        self.get(&format!("/tokens/{id}")).await
    }

    /// Revokes a token.
    pub async fn revoke_token(&self, id: Uuid) -> Result<()> {
        self.delete(&format!("/tokens/{id}")).await
    }
}
