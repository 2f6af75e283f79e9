//! What a token is that was asked for: whose, how far it reaches, and when it ends.

use fh_access::ApiError;
use fh_api::{FlakePattern, Name};
use fh_auth::{Narrowing, TokenScope};
use fh_persistence::database::Timestamp;
use fh_persistence::database::accounts::Account;
use fh_persistence::database::tokens::NewToken;
use fh_settings::TokenSettings;

use super::limits::{lifetime, room_for_one_more};
use super::renewal::Asking;

/// A token that is asked for, and that the caller may have.
pub(in crate::routes) struct Wanted {
    pub(in crate::routes) description: Option<String>,
    /// Whose it is to be; none: the caller's.
    pub(in crate::routes) user: Option<Name>,
    /// The organisation by whose authority it is minted, internal id.
    pub(in crate::routes) organization_id: Option<i64>,
    pub(in crate::routes) scope: TokenScope,
    /// Whether its renewals may outlive the token that it is minted with.
    pub(in crate::routes) renewable: bool,
    pub(in crate::routes) created_at: Timestamp,
    pub(in crate::routes) expires_at: Timestamp,
}

/// What is known when it is minted.
pub(in crate::routes) struct Facts {
    /// The token that it is minted with.
    pub(in crate::routes) asking: Option<Asking>,
    /// The account that [`Wanted::user`] names.
    pub(in crate::routes) account: Option<Account>,
    /// How many tokens of the account that the new one is for are valid.
    pub(in crate::routes) valid: u64,
    pub(in crate::routes) at: Timestamp,
}

impl Facts {
    /// Whose the new token is: an account that is not disabled, and of the organisation still by whose authority it is
    /// minted.
    ///
    /// # Errors
    /// 401 where the token that asks has ended; 422 where there is no such account.
    pub(in crate::routes) fn owner(&self, wanted: &Wanted) -> Result<&Account, ApiError> {
        let asking = Asking::good(self.asking.as_ref(), self.at)?;
        let Some(name) = &wanted.user else {
            return Ok(&asking.account);
        };
        let organization_id = wanted.organization_id;
        self.account
            .as_ref()
            .filter(|account| account.disabled_at.is_none())
            .filter(|account| {
                organization_id.is_none() || account.organization_id == organization_id
            })
            .ok_or_else(|| {
                ApiError::InvalidContent(format!("there is no active user named {name}"))
            })
    }
}

/// Decides what the new token is, but for the closures that are stored with it.
///
/// # Errors
/// 401 where the token that asks has ended; 422 where there is no such account; 429 where it has as many as it may.
pub(in crate::routes) fn decide<'a>(
    wanted: &'a Wanted,
    facts: &'a Facts,
    settings: TokenSettings,
    most: u32,
) -> Result<NewToken<'a>, ApiError> {
    let owner = facts.owner(wanted)?;
    let asking = Asking::good(facts.asking.as_ref(), facts.at)?;
    room_for_one_more(owner, facts.valid, most)?;
    let parent = &asking.token;
    let own = wanted.user.is_none();
    Ok(NewToken {
        account_id: owner.id,
        parent_id: Some(parent.id),
        description: wanted.description.as_deref(),
        scope: &wanted.scope,
        path_set_id: None,
        // What a workload holds, its derived tokens hold through its claims.
        claims: parent.claims.as_deref().filter(|_| own),
        acting: parent.acting.as_ref().filter(|_| own),
        created_at: wanted.created_at,
        created_by: Some(parent.account_id),
        expires_at: wanted.expires_at,
        terms: if own {
            parent.child_terms(wanted.renewable)
        } else {
            asking.terms_for_another(settings)
        },
    })
}

/// Keeps a token that is minted by the authority of an organisation within it.
///
/// # Errors
/// 403 for what is outside.
pub(in crate::routes) fn within(
    organization: Option<&Name>,
    asked: &mut Narrowing,
) -> Result<(), ApiError> {
    let organization = organization.cloned().ok_or(ApiError::NotFound)?;
    let all = FlakePattern::Organization(organization);
    let flakes = asked.flakes.get_or_insert_with(|| vec![all.clone()]);
    if let Some(outside) = flakes.iter().find(|pattern| !all.includes(pattern)) {
        return Err(ApiError::Forbidden(format!(
            "a token for this service account can reach at most {all}, not {outside}"
        )));
    }
    Ok(())
}

/// When a new token ends: as asked, else after the default time; in any case no later than the token that it is minted
/// with, and within the server's maximum.
///
/// # Errors
/// 400 for a time that no token lasts, 403 for one that is later.
pub(in crate::routes) fn end(
    created_at: Timestamp,
    asked: Option<u64>,
    parent: Timestamp,
    settings: &TokenSettings,
) -> Result<Timestamp, ApiError> {
    let longest = settings.max_lifetime.as_secs();
    let Some(asked) = lifetime(asked, longest)? else {
        let lifetime = settings.default_lifetime.as_secs().min(longest);
        return Ok(created_at.plus_seconds(lifetime).min(parent));
    };
    let end = created_at.plus_seconds(asked);
    if end > parent {
        return Err(ApiError::Forbidden(format!(
            "a token cannot expire later than the one that creates it, at {parent}"
        )));
    }
    Ok(end)
}
