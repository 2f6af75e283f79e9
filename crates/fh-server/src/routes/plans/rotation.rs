//! What takes the place of a token that is rotated, and when the former one ends.

use fh_access::ApiError;
use fh_persistence::database::Timestamp;
use fh_persistence::database::accounts::Account;
use fh_persistence::database::tokens::{NewToken, RenewalTerms, Token};
use fh_settings::TokenSettings;

use super::limits::{lifetime, room_for_one_more};
use super::renewal::Asking;

/// How long the new token lasts, and for how long the former one stays valid beside it.
pub(in crate::routes) struct Wanted {
    lasts: u64,
    created_at: Timestamp,
    expires_at: Timestamp,
    /// Seconds in which both are good; none where the former one ends at once.
    grace: Option<u64>,
}

impl Wanted {
    /// `lifetime` and `grace` as they are asked for; `former`: for how long the former one was meant to last; `end`: when
    /// the token ends that asks.
    ///
    /// # Errors
    /// 400 for a time that no token lasts.
    pub(in crate::routes) fn new(
        asked: Option<u64>,
        grace: Option<u64>,
        former: u64,
        end: Timestamp,
        settings: TokenSettings,
        created_at: Timestamp,
    ) -> Result<Self, ApiError> {
        let longest = settings.max_lifetime.as_secs();
        let lasts = lifetime(asked, longest)?.unwrap_or(former.min(longest));
        Ok(Self {
            lasts,
            created_at,
            expires_at: created_at.plus_seconds(lasts).min(end),
            grace: grace.filter(|grace| *grace > 0),
        })
    }
}

/// What is known when it is rotated.
pub(in crate::routes) struct Facts {
    pub(in crate::routes) asking: Option<Asking>,
    pub(in crate::routes) former: Option<Token>,
    /// Whose the former one is.
    pub(in crate::routes) account: Option<Account>,
    /// How many tokens of that account are valid.
    pub(in crate::routes) valid: u64,
    pub(in crate::routes) at: Timestamp,
}

/// What is to be done.
#[derive(Debug)]
pub(in crate::routes) struct Plan<'a> {
    pub(in crate::routes) new: NewToken<'a>,
    pub(in crate::routes) parent_id: i64,
    pub(in crate::routes) former: &'a Token,
    pub(in crate::routes) account: &'a Account,
    /// When the former one ends; none: at once.
    pub(in crate::routes) former_ends: Option<Timestamp>,
}

/// Decides what is to be done.
///
/// # Errors
/// 401 where the token that asks has ended, 404 where the former one is gone, 409 where it has ended, 429 where both
/// would be more than the account may have.
pub(in crate::routes) fn decide<'a>(
    wanted: &Wanted,
    facts: &'a Facts,
    settings: TokenSettings,
    most: u32,
) -> Result<Plan<'a>, ApiError> {
    let asking = Asking::good(facts.asking.as_ref(), facts.at)?;
    let parent = &asking.token;
    let former = facts.former.as_ref().ok_or(ApiError::NotFound)?;
    if !former.is_good(facts.at) {
        return Err(ApiError::Conflict(
            "the token is no longer valid: create a new one".to_owned(),
        ));
    }
    let account = facts.account.as_ref().ok_or(ApiError::NotFound)?;
    if wanted.grace.is_some() {
        room_for_one_more(account, facts.valid, most)?;
    }
    let bounds = if parent.account_id == former.account_id {
        terms(former, parent)
    } else {
        asking.terms_for_another(settings)
    };
    let longest = former.lifetime().max(parent.lifetime());
    let ends = |grace| facts.at.plus_seconds(grace).whole_seconds();
    Ok(Plan {
        new: NewToken {
            account_id: former.account_id,
            parent_id: Some(parent.id),
            description: former.description.as_deref(),
            scope: &former.scope,
            path_set_id: former.path_set_id,
            claims: former.claims.as_deref(),
            acting: former.acting.as_ref(),
            created_at: wanted.created_at,
            created_by: Some(parent.account_id),
            expires_at: wanted.expires_at.min(parent.expires_at),
            terms: RenewalTerms {
                lifetime: Some(wanted.lasts.min(longest)),
                ..bounds
            },
        },
        parent_id: parent.id,
        former,
        account,
        former_ends: wanted.grace.map(ends),
    })
}

/// What the renewals of a token are bound to that replaces another one of its account.
fn terms(former: &Token, parent: &Token) -> RenewalTerms {
    if parent.id == former.id {
        return former.successor_terms();
    }
    RenewalTerms {
        first_at: Some(former.first_at()),
        ..parent.child_terms(false)
    }
}
