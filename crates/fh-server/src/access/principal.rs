//! Who a valid token makes the caller, and what that one holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fh_api::{Name, UserKind, WorkloadInfo};
use fh_auth::{Holdings, TokenScope};
use rusqlite::Connection;
use uuid::Uuid;

use super::directory::FlakeEntry;
use crate::database::{DatabaseError, Timestamp, accounts, grants, tokens};

/// The account behind a token, the token's narrowing, and all that the account holds, as they were
/// at one generation.
#[derive(Debug)]
pub(crate) struct Principal {
    /// The account's internal id.
    pub(crate) account_id: i64,
    /// The account's name.
    pub(crate) name: Name,
    /// A person or a service.
    pub(crate) kind: UserKind,
    /// Whether the account may manage the server; the token may be narrower.
    pub(crate) server_admin: bool,
    /// The token; none for a workload that shows its own identity.
    pub(crate) token: Option<TokenFacts>,
    /// The workload, where it is one that a trust policy has let in.
    pub(crate) workload: Option<WorkloadFacts>,
    /// How far the token narrows.
    pub(crate) scope: TokenScope,
    /// When the token ends.
    pub(crate) expires_at: Timestamp,
    /// What the account holds, not narrowed.
    pub(crate) holdings: Holdings,
    /// No two copies have the same.
    pub(crate) serial: u64,
}

/// What a principal knows of its token's row.
#[derive(Debug, Clone)]
pub(crate) struct TokenFacts {
    /// The internal id.
    pub(crate) id: i64,
    /// The public id.
    pub(crate) uuid: Uuid,
    /// What the token is for.
    pub(crate) description: Option<String>,
}

/// What is known of a workload.
#[derive(Debug, Clone)]
pub(crate) struct WorkloadFacts {
    /// For its owner.
    pub(crate) info: WorkloadInfo,
    /// For the audit log: issuer, subject and the claims that matter, JSON.
    pub(crate) audited: Arc<str>,
}

/// Numbers for copies of principals.
static SERIALS: AtomicU64 = AtomicU64::new(0);

/// A number that no other copy has.
pub(super) fn next_serial() -> u64 {
    SERIALS.fetch_add(1, Ordering::Relaxed)
}

impl Principal {
    /// Whether the token reaches a flake at all.
    pub(crate) fn reaches(&self, flake: &FlakeEntry) -> bool {
        self.scope
            .reaches(flake.name.org.as_str(), flake.name.project.as_str())
    }

    /// How much memory it takes, roughly, in units of one small principal.
    pub(super) fn weight(&self) -> u32 {
        let grants = u32::try_from(self.holdings.size()).unwrap_or(u32::MAX);
        1 + grants / 16
    }
}

/// What the database says to a token whose signature is ours.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    /// It is good.
    Good(Arc<Principal>),
    /// It is not, and why, for a person.
    Refused(String),
}

/// Asks the database who a token is.
pub(super) fn load(
    connection: &Connection,
    token: Uuid,
    account: Uuid,
) -> Result<Standing, DatabaseError> {
    let unknown = || {
        Standing::Refused(
            "this server does not know the token any more: its account was removed, or the \
             server's database was replaced"
                .to_owned(),
        )
    };
    let Some(token) = tokens::find(connection, token)? else {
        return Ok(unknown());
    };
    let Some(account) =
        accounts::get(connection, token.account_id)?.filter(|found| found.uuid == account)
    else {
        return Ok(unknown());
    };
    if let Some(at) = token.revoked_at {
        return Ok(Standing::Refused(format!("the token was revoked at {at}")));
    }
    if account.disabled_at.is_some() {
        return Ok(Standing::Refused(format!(
            "the account {} of this token is disabled",
            account.name
        )));
    }
    let holdings = grants::holdings(connection, account.id)?;
    Ok(Standing::Good(Arc::new(Principal {
        account_id: account.id,
        name: account.name,
        kind: account.kind,
        server_admin: account.server_admin,
        token: Some(TokenFacts {
            id: token.id,
            uuid: token.uuid,
            description: token.description,
        }),
        workload: None,
        scope: token.scope,
        expires_at: token.expires_at,
        holdings,
        serial: next_serial(),
    })))
}
