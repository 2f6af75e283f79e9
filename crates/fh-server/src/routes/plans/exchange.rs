//! What an identity is exchanged for: of what the policies give, what is asked for.

use fh_access::ApiError;
use fh_access::workload::Refusal;
use fh_api::oauth::ExchangeRequest;
use fh_api::{Permission, UnknownWord};
use fh_auth::{Narrowing, TokenScope};
use fh_persistence::database::Timestamp;
use fh_persistence::database::accounts::Account;
use fh_persistence::database::tokens::{NewToken, RenewalTerms, TokenActing};

use super::super::oauth_error::OAuthError;

/// What the policies give that let an identity in.
pub(in crate::routes) struct Held {
    pub(in crate::routes) scope: TokenScope,
    /// Seconds that a token lasts at most.
    pub(in crate::routes) longest: u64,
}

/// What the identity is exchanged for.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::routes) struct Terms {
    pub(in crate::routes) scope: TokenScope,
    /// How long the token lasts, in seconds.
    pub(in crate::routes) lifetime: u64,
}

/// Decides how far the token reaches and how long it lasts: as asked, else as far and as long as may be.
///
/// # Errors
/// `invalid_scope` for permissions that the workload does not have, `invalid_request` for no time at all.
pub(in crate::routes) fn decide(held: &Held, asked: &ExchangeRequest) -> Result<Terms, OAuthError> {
    let scope = match asked.scope.as_deref() {
        None => held.scope.clone(),
        Some(words) => restricted(&held.scope, words)?,
    };
    if asked.expires_in == Some(0) {
        return Err(OAuthError::new(
            "invalid_request",
            "the field expires_in must be at least 1 second",
        ));
    }
    let lifetime = asked.expires_in.unwrap_or(held.longest).min(held.longest);
    Ok(Terms { scope, lifetime })
}

fn restricted(held: &TokenScope, words: &str) -> Result<TokenScope, OAuthError> {
    let invalid = |error: String| OAuthError::new("invalid_scope", error);
    let permissions = words
        .split_ascii_whitespace()
        .map(str::parse)
        .collect::<Result<Vec<Permission>, UnknownWord>>()
        .map_err(|error| invalid(error.to_string()))?;
    held.restrict(Narrowing {
        permissions: Some(permissions),
        ..Narrowing::default()
    })
    .map_err(|_| invalid("the workload does not have all of the requested permissions".to_owned()))
}

/// What is known when the token is made.
pub(in crate::routes) struct Facts {
    /// The account of the policy.
    pub(in crate::routes) account: Option<Account>,
    /// The identity was not exchanged before.
    pub(in crate::routes) is_first: bool,
    /// For whom the workload acts.
    pub(in crate::routes) acting: TokenActing,
    /// The identity as a token keeps it.
    pub(in crate::routes) claims: String,
}

/// Decides what the new token is, of an account that is there.
///
/// # Errors
/// 401 where the policy is gone, or the identity was exchanged before.
pub(in crate::routes) fn token<'a>(
    terms: &'a Terms,
    facts: &'a Facts,
    created_at: Timestamp,
) -> Result<NewToken<'a>, ApiError> {
    let account = facts.account.as_ref().ok_or_else(policy_removed)?;
    if !facts.is_first {
        return Err(ApiError::Unauthorized(
            "this identity was exchanged already, and each can be exchanged only once: get a new one".to_owned(),
        ));
    }
    Ok(NewToken {
        account_id: account.id,
        parent_id: None,
        description: Some("exchanged for the identity of a workload"),
        scope: &terms.scope,
        path_set_id: None,
        claims: Some(&facts.claims),
        acting: Some(&facts.acting),
        created_at,
        created_by: Some(account.id),
        expires_at: created_at.plus_seconds(terms.lifetime),
        terms: RenewalTerms::default(),
    })
}

/// The policy went away in the meantime.
fn policy_removed() -> ApiError {
    Refusal::Untrusted("its policy was removed".to_owned()).into()
}
