//! Tokens: made, listed, renewed and revoked.
//!
//! [The module above](super) says what can go wrong, for all.

use fh_api::{
    CreateToken, MintedToken, Name, RotateToken, RotatedToken, TokenInfo, TokenList,
    TokenRevocation,
};
use http::{Method, StatusCode};
use uuid::Uuid;

use super::below_prefix;
use crate::client::Client;
use crate::error::Result;
use crate::http::Content;
use crate::retry::Repeat;

#[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
impl Client {
    /// The caller's tokens; with `all`, those of everybody (for server administrators).
    pub async fn tokens(&self, all: bool) -> Result<TokenList> {
        self.get(if all { "/tokens?all=true" } else { "/tokens" })
            .await
    }

    /// Renews the token that asks: a new one like it, which lasts longer. The one that asks stays valid.
    pub async fn renew_token(&self) -> Result<MintedToken> {
        let mut request = below_prefix(Method::POST, "/tokens/renew", Content::Empty);
        // Twice would make two.
        request.repeat = Repeat::IfUnsent;
        self.transport.send(&request).await?.json()
    }

    /// Revokes a token and all that it asked for within its account, with `made_for_others` also what it
    /// made for others: what ended. A server of before answers nothing.
    pub async fn revoke_token(&self, id: Uuid, made_for_others: bool) -> Result<TokenRevocation> {
        let path = format!("/tokens/{id}{}", query(made_for_others));
        let request = below_prefix(Method::DELETE, &path, Content::Empty);
        let answer = self.transport.send(&request).await?;
        if answer.status == StatusCode::NO_CONTENT {
            return Ok(TokenRevocation::default());
        }
        answer.json()
    }

    /// What [`Self::revoke_token`] would end.
    pub async fn token_revocation(
        &self,
        id: Uuid,
        made_for_others: bool,
    ) -> Result<TokenRevocation> {
        let query = query(made_for_others);
        self.get(&format!("/tokens/{id}/revocation{query}")).await
    }
}

routes! {
    /// Mints a token: the only time that it is shown.
    post_once create_token(new: &CreateToken) -> MintedToken: "/tokens", new;
    /// Mints a token like that one, which ends. Of what came of that one a server of before says nothing.
    post_once rotate_token(id: Uuid, rotate: &RotateToken) -> RotatedToken: "/tokens/{id}/rotate", rotate;
    /// The tokens of an account: for server administrators, and of a service account for who
    /// administers its organisation.
    get tokens_of(user: &Name) -> TokenList: "/tokens?user={user}";
    /// What the server keeps of a token.
    get token(id: Uuid) -> TokenInfo: "/tokens/{id}";
}

fn query(made_for_others: bool) -> &'static str {
    if made_for_others {
        "?with_made_for_others=true"
    } else {
        ""
    }
}
