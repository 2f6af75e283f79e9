//! Who a valid token makes the caller, and what that one holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fh_api::{FlakePattern, Name, NameKind, UserKind, WorkloadInfo};
use fh_auth::{Holdings, TokenScope};
use fh_persistence::database::{DatabaseError, Timestamp, accounts, grants, renames, tokens};
use fh_persistence::identity::Identity;
use fh_sql::Read;
use uuid::Uuid;

use super::directory::FlakeEntry;
use crate::workload::{Acting, Admission, Audiences, admission};

/// The account behind a token, the token's narrowing, and all that the account holds, as they were
/// at one generation.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The account's internal id.
    pub account_id: i64,
    pub name: Name,
    /// What it was called before.
    pub(super) former_names: Vec<Name>,
    /// A person or a service.
    pub kind: UserKind,
    /// Whether the account may manage the server; the token may be narrower.
    pub server_admin: bool,
    /// The token; none for a workload that shows its own identity.
    pub token: Option<TokenFacts>,
    /// The workload, where it is one that a trust policy has let in.
    pub workload: Option<WorkloadFacts>,
    /// Whether it is a builder of its organisation: a workload, by its own identity or the token that was
    /// exchanged for it, never by a token that was minted.
    pub builder: bool,
    /// How far the token narrows, by names of flakes.
    pub scope: TokenScope,
    /// How often something was renamed before these names were read.
    pub(super) renames: u64,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// What the account holds, not narrowed.
    pub holdings: Holdings,
    /// No two copies have the same.
    pub serial: u64,
}

/// What a principal knows of its token's row.
#[derive(Debug, Clone)]
pub struct TokenFacts {
    pub id: i64,
    pub uuid: Uuid,
    /// What the token is for.
    pub description: Option<String>,
    /// What it may read, where it is for certain closures.
    pub path_set_id: Option<i64>,
}

/// What is known of a workload.
#[derive(Debug, Clone)]
pub struct WorkloadFacts {
    pub info: WorkloadInfo,
    /// For the audit log: issuer, subject and the claims that matter, JSON.
    pub audited: Arc<str>,
    /// The organisation that it acts for, internal id.
    pub acting: i64,
    /// The policies that let it in, internal ids.
    pub policies: Vec<i64>,
}

impl WorkloadFacts {
    fn of(identity: &Identity, admission: &Admission) -> Self {
        Self {
            info: admission.info(identity),
            audited: admission.audited(identity),
            acting: admission.acting().organization,
            policies: admission.policy_ids(),
        }
    }
}

/// Numbers for copies of principals.
static SERIALS: AtomicU64 = AtomicU64::new(0);

/// A number that no other copy has.
pub(super) fn next_serial() -> u64 {
    SERIALS.fetch_add(1, Ordering::Relaxed)
}

impl Principal {
    /// Whether the token reaches anything of an organisation.
    pub fn touches(&self, organization: &Name) -> bool {
        self.scope.flakes().iter().any(|pattern| match pattern {
            FlakePattern::All => true,
            FlakePattern::Organization(name) => name.folded() == organization.folded(),
            FlakePattern::Flake(flake) => flake.org.folded() == organization.folded(),
        })
    }

    /// Whether the account has or had this name, in whatever case.
    pub fn is_called(&self, name: &str) -> bool {
        self.names()
            .any(|own| own.as_str().eq_ignore_ascii_case(name))
    }

    /// What the account is called, then what it was called before.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        std::iter::once(&self.name).chain(&self.former_names)
    }

    /// Whether the token reaches a flake at all.
    pub fn reaches(&self, flake: &FlakeEntry) -> bool {
        self.scope
            .reaches(flake.name.org.as_str(), flake.name.project.as_str())
    }

    /// A workload that shows its own identity, until that ends.
    pub(super) fn of_workload(
        identity: &Identity,
        admission: &Admission,
        expires_at: Timestamp,
    ) -> Self {
        let policy = admission.policy();
        Self {
            account_id: policy.account_id,
            name: policy.account.clone(),
            former_names: Vec::new(),
            kind: UserKind::Service,
            server_admin: false,
            token: None,
            workload: Some(WorkloadFacts::of(identity, admission)),
            builder: admission.is_builder(),
            scope: admission.scope(false),
            renames: admission.renames(),
            expires_at,
            holdings: admission.holdings(),
            serial: next_serial(),
        }
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
    Good(Arc<Principal>),
    /// It is not, and why, for a person.
    Refused(String),
}

/// Asks the database who a token is. `audiences` are the server's own.
pub(super) fn load(
    read: &Read,
    token: Uuid,
    account: Uuid,
    audiences: &Audiences,
) -> Result<Standing, DatabaseError> {
    let unknown = || {
        Standing::Refused(
            "this server no longer knows the token: its account was removed, or the server's database was \
             replaced"
                .to_owned(),
        )
    };
    let Some(token) = tokens::find(read, token)? else {
        return Ok(unknown());
    };
    let Some(account) =
        accounts::get(read, token.account_id)?.filter(|found| found.uuid == account)
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
    // What a workload holds is what the policies give it now.
    let (holdings, workload, builder) = match &token.claims {
        None => (grants::holdings(read, account.id)?, None, false),
        Some(claims) => {
            let identity = Identity::from_json(claims);
            let admitted = match (&identity, &token.acting) {
                (Some(identity), Some(acting)) => {
                    let acting = Acting::of_token(read, acting)?;
                    admission(read, identity, audiences, &acting)?
                }
                _ => None,
            };
            let (Some(identity), Some(admitted)) = (identity, admitted) else {
                return Ok(Standing::Refused(
                    "no trust policy lets the workload of this token in any longer".to_owned(),
                ));
            };
            let facts = WorkloadFacts::of(&identity, &admitted);
            let builder = token.parent.is_none() && admitted.is_builder();
            (admitted.holdings(), Some(facts), builder)
        }
    };
    Ok(Standing::Good(Arc::new(Principal {
        former_names: renames::former(read, NameKind::Account, account.id)?,
        account_id: account.id,
        name: account.name,
        kind: account.kind,
        server_admin: account.server_admin,
        token: Some(TokenFacts {
            id: token.id,
            uuid: token.uuid,
            description: token.description,
            path_set_id: token.path_set_id,
        }),
        workload,
        builder,
        scope: token.scope,
        renames: renames::count(read)?,
        expires_at: token.expires_at,
        holdings,
        serial: next_serial(),
    })))
}
