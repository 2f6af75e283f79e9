//! Rows for tests of plans. Days count from a time long ago.

use std::time::Duration;

use fh_api::{FlakePattern, Permission, PushRule, RenewalRule, UserKind};
use fh_auth::TokenScope;
use fh_persistence::database::Timestamp;
use fh_persistence::database::accounts::Account;
use fh_persistence::database::organizations::Organization;
use fh_persistence::database::tokens::{RenewalTerms, Token};
use fh_settings::TokenSettings;
use uuid::Uuid;

use super::super::renewal::Asking;

pub(super) const DAY: u64 = 86_400;

pub(super) fn at(day: u64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000).plus_seconds(day * DAY)
}

/// Tokens of 90 days, of people renewed for a year.
pub(super) fn settings() -> TokenSettings {
    TokenSettings {
        default_lifetime: Duration::from_secs(90 * DAY),
        max_lifetime: Duration::from_secs(90 * DAY),
        renewal: RenewalRule::People,
        max_renewal: Duration::from_secs(365 * DAY),
    }
}

/// A person. The same name is the same account.
pub(super) fn account(name: &str) -> Account {
    Account {
        id: name.bytes().map(i64::from).sum(),
        uuid: Uuid::nil(),
        name: name.parse().unwrap(),
        kind: UserKind::Human,
        server_admin: false,
        organization: None,
        organization_id: None,
        trust_policy_id: None,
        created_at: at(0),
        disabled_at: None,
    }
}

pub(super) fn organization(name: &str, renewal: RenewalRule) -> Organization {
    Organization {
        id: 1,
        uuid: Uuid::nil(),
        name: name.parse().unwrap(),
        push: PushRule::Writers,
        renewal,
        trusted_keys: Vec::new(),
        created_at: at(0),
    }
}

/// A token of day 0 that ends on a day, and reads and mints everywhere.
pub(super) fn token(user: &str, end: u64) -> Token {
    let account = account(user);
    Token {
        id: 1000 + account.id,
        uuid: Uuid::nil(),
        account_id: account.id,
        user: account.name,
        organization: None,
        account_disabled: false,
        description: Some(format!("{user}'s")),
        scope: TokenScope::new([Permission::Pull, Permission::Mint], [FlakePattern::All]),
        path_set_id: None,
        claims: None,
        acting: None,
        acting_organization: None,
        parent: None,
        parent_id: None,
        created_at: at(0),
        expires_at: at(end),
        last_used_at: None,
        revoked_at: None,
        terms: RenewalTerms::default(),
    }
}

/// Such a token that asks for another one.
pub(super) fn asking(user: &str, end: u64) -> Asking {
    Asking {
        token: token(user, end),
        account: account(user),
        home: None,
        only: Vec::new(),
    }
}
