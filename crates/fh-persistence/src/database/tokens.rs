//! Tokens: never the token itself, but whose it is, how far it is narrowed, and whether it was
//! revoked. What came of a token, and ending it: [`super::lineage`].

use fh_api::{FlakePattern, Name, Permission, TokenInfo, WorkloadInfo};
use fh_auth::TokenScope;
use fh_sql::{Read, Row, Tx, params};
use uuid::Uuid;

use super::holders::id_list;
use super::rows::{FromRow, all, column, first, from_row, one};
use super::values::{execute, new_id, now, run};
use super::{AccessChange, DatabaseError, Timestamp};
use crate::identity::Identity;

/// For which organisations the workload of an exchanged token speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenActing {
    /// The internal id of the one that it acts for.
    pub organization_id: i64,
    /// The public ids of those that it reads besides.
    pub reads: Vec<Uuid>,
}

/// What a token's renewals are bound to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RenewalTerms {
    /// When the first token of its chain was made; none where it is the first.
    pub first_at: Option<Timestamp>,
    /// For how long that one was meant to last, in seconds; none where its own times tell.
    pub lifetime: Option<u64>,
    /// No renewal ends later; none where only the server's limits count.
    pub ends_by: Option<Timestamp>,
}

/// A row of `token`, with the names of what it refers to.
#[derive(Debug, Clone)]
pub struct Token {
    /// The id of the row, which never leaves the server.
    pub id: i64,
    /// The public id: the claim `jti` of the token.
    pub uuid: Uuid,
    /// The id of the account that it belongs to.
    pub account_id: i64,
    /// The name of that account.
    pub user: Name,
    /// The organisation that the account belongs to, where it is a service account of one.
    pub organization: Option<Name>,
    /// The account is disabled, and its tokens are refused as long as it is.
    pub account_disabled: bool,
    /// What it is for.
    pub description: Option<String>,
    /// How far it is narrowed.
    pub scope: TokenScope,
    /// What it may read, where it is for certain closures; none for one of before there were sets that was
    /// not used since.
    pub path_set_id: Option<i64>,
    /// The claims of the workload whose identity was exchanged for it, JSON.
    pub claims: Option<String>,
    /// For whom that workload acts; none where the organisation is gone.
    pub acting: Option<TokenActing>,
    /// The name of that organisation.
    pub acting_organization: Option<Name>,
    /// The token that asked for it.
    pub parent: Option<Uuid>,
    /// The internal id of that one.
    pub parent_id: Option<i64>,
    /// When it was minted.
    pub created_at: Timestamp,
    /// When it ends, to the second.
    pub expires_at: Timestamp,
    /// When it was used last, within about a minute.
    pub last_used_at: Option<Timestamp>,
    /// Since when it is good for nothing.
    pub revoked_at: Option<Timestamp>,
    /// What its renewals are bound to.
    pub terms: RenewalTerms,
}

/// What a row is read from.
pub(super) const SELECT: &str = "SELECT t.id, t.uuid, t.account_id, a.name AS user, \
     o.name AS organization, t.description, t.permissions, t.flakes, t.closures, t.signed_by, \
     t.networks, t.path_set_id, t.claims, t.acting_organization_id, t.read_organizations, \
     x.name AS acting_organization, p.uuid AS parent, t.parent_id, t.created_at, t.expires_at, \
     t.last_used_at, t.revoked_at, t.first_at, t.lifetime, t.renewals_end_by, a.disabled_at IS NOT NULL AS account_disabled \
     FROM token t JOIN account a ON a.id = t.account_id \
     LEFT JOIN organization o ON o.id = a.organization_id AND a.trust_policy_id IS NULL \
     LEFT JOIN organization x ON x.id = t.acting_organization_id \
     LEFT JOIN token p ON p.id = t.parent_id";

from_row!(Token: id, uuid, account_id, user, organization, account_disabled, description,
    scope by read_scope, path_set_id, claims, acting by read_acting, acting_organization, parent,
    parent_id, created_at, expires_at, last_used_at, revoked_at, terms by read_terms);

from_row!(RenewalTerms: first_at, lifetime, ends_by = "renewals_end_by");

fn read_terms(row: &Row<'_>) -> Result<RenewalTerms, DatabaseError> {
    RenewalTerms::from_row(row)
}

fn read_scope(row: &Row<'_>) -> Result<TokenScope, DatabaseError> {
    let permissions: Vec<Permission> = column(row, "permissions")?;
    let flakes: Vec<FlakePattern> = column(row, "flakes")?;
    Ok(TokenScope::new(permissions, flakes)
        .with_closures(column(row, "closures")?)
        .with_signed_by(column(row, "signed_by")?)
        .with_networks(column(row, "networks")?))
}

fn read_acting(row: &Row<'_>) -> Result<Option<TokenActing>, DatabaseError> {
    let Some(organization_id) = column(row, "acting_organization_id")? else {
        return Ok(None);
    };
    let reads: Option<Vec<Uuid>> = column(row, "read_organizations")?;
    Ok(Some(TokenActing {
        organization_id,
        reads: reads.unwrap_or_default(),
    }))
}

impl Token {
    /// For how many seconds it was meant to last, or the first token of its chain of renewals was.
    pub fn lifetime(&self) -> u64 {
        let own = self.expires_at.seconds_since(self.created_at);
        self.terms.lifetime.unwrap_or(own)
    }

    /// When the first token of its chain of renewals was made.
    pub fn first_at(&self) -> Timestamp {
        self.terms.first_at.unwrap_or(self.created_at)
    }

    /// When its last renewal has to end at the latest, where more than the server's limits counts.
    pub fn renewals_end_by(&self) -> Option<Timestamp> {
        self.terms.ends_by
    }

    /// The terms of a token that takes its place.
    pub fn successor_terms(&self) -> RenewalTerms {
        RenewalTerms {
            first_at: Some(self.first_at()),
            lifetime: Some(self.lifetime()),
            ends_by: self.terms.ends_by,
        }
    }

    /// The terms of a token that it makes for its own account: no renewal outlives this one, unless that was asked
    /// for. Then they are bound to what this one is bound to.
    pub fn child_terms(&self, renewable: bool) -> RenewalTerms {
        if renewable {
            return RenewalTerms {
                first_at: Some(self.first_at()),
                lifetime: None,
                ends_by: self.terms.ends_by,
            };
        }
        RenewalTerms {
            ends_by: Some(self.expires_at),
            ..RenewalTerms::default()
        }
    }

    /// Whether it is neither revoked nor over at a time. The account may be disabled all the same.
    pub fn is_good(&self, at: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at > at
    }

    /// The workload whose identity was exchanged for it.
    fn workload(&self) -> Option<WorkloadInfo> {
        let identity = Identity::from_json(self.claims.as_deref()?)?;
        Some(WorkloadInfo {
            issuer: identity.issuer.clone(),
            subject: identity.subject(),
            organization: self.acting_organization.clone(),
            policies: Vec::new(),
        })
    }

    /// As the API tells it.
    pub fn info(&self) -> TokenInfo {
        TokenInfo {
            id: self.uuid,
            user: self.user.clone(),
            account_disabled: self.account_disabled,
            description: self.description.clone(),
            permissions: self.scope.permissions().collect(),
            flakes: self.scope.flakes().to_vec(),
            closures: texts(self.scope.closures()),
            signed_by: texts(self.scope.signed_by()),
            networks: self.scope.networks().unwrap_or_default().to_vec(),
            workload: self.workload(),
            parent: self.parent,
            created_at: self.created_at.to_date_time(),
            expires_at: self.expires_at.to_date_time(),
            last_used_at: self.last_used_at.map(Timestamp::to_date_time),
            revoked_at: self.revoked_at.map(Timestamp::to_date_time),
        }
    }
}

/// The items of a limit as the API tells them; none where there is no limit.
pub fn texts<T: ToString>(limit: Option<&[T]>) -> Vec<String> {
    let items = limit.unwrap_or_default();
    items.iter().map(ToString::to_string).collect()
}

fn joined<T: ToString>(items: &[T]) -> String {
    texts(Some(items)).join(" ")
}

/// The token of that public id.
pub fn find(read: &Read, uuid: Uuid) -> Result<Option<Token>, DatabaseError> {
    let sql = format!("{SELECT} WHERE t.uuid = ?1");
    first(read, &sql, params![uuid.to_string()])
}

/// The tokens of an account, or of all, newest first.
pub fn list(read: &Read, account_id: Option<i64>) -> Result<Vec<Token>, DatabaseError> {
    match account_id {
        Some(id) => {
            let sql = format!("{SELECT} WHERE t.account_id = ?1 ORDER BY t.id DESC");
            all(read, &sql, params![id])
        }
        None => {
            let sql = format!("{SELECT} ORDER BY t.id DESC");
            all(read, &sql, &[])
        }
    }
}

/// How many tokens of an account are good at a time: neither revoked nor over. With `first_at` only renewals of what
/// was first created then: of one login, as good as always.
pub fn count_good(
    read: &Read,
    account_id: i64,
    first_at: Option<Timestamp>,
    at: Timestamp,
) -> Result<u64, DatabaseError> {
    let sql = "SELECT COUNT(*) FROM token WHERE account_id = ?1 AND (?2 IS NULL OR first_at = ?2) \
               AND revoked_at IS NULL AND expires_at > ?3";
    one(read, sql, params![account_id, first_at, at])
}

/// What a new token's row says.
#[derive(Debug)]
pub struct NewToken<'a> {
    /// The id of the account that it belongs to.
    pub account_id: i64,
    /// The internal id of the token that it is minted with.
    pub parent_id: Option<i64>,
    /// What it is for.
    pub description: Option<&'a str>,
    /// How far it is narrowed.
    pub scope: &'a TokenScope,
    /// What it may read, where it is for certain closures.
    pub path_set_id: Option<i64>,
    /// The claims of the workload whose identity is exchanged for it, JSON.
    pub claims: Option<&'a str>,
    /// For whom that workload acts.
    pub acting: Option<&'a TokenActing>,
    /// When it is minted; whole seconds, as the token itself tells it.
    pub created_at: Timestamp,
    /// The account that minted it, internal id.
    pub created_by: Option<i64>,
    /// When it ends; whole seconds.
    pub expires_at: Timestamp,
    /// What its renewals are bound to.
    pub terms: RenewalTerms,
}

/// Adds a token: its public id. Nobody can have asked about it before, so no copy is out of date.
pub fn insert(tx: &Tx<'_>, token: &NewToken<'_>) -> Result<Uuid, DatabaseError> {
    let uuid = new_id();
    let permissions: Vec<_> = token.scope.permissions().map(Permission::as_str).collect();
    let flakes: Vec<_> = token
        .scope
        .flakes()
        .iter()
        .map(ToString::to_string)
        .collect();
    execute(
        tx,
        "INSERT INTO token (uuid, account_id, parent_id, description, permissions, flakes, \
         closures, signed_by, networks, claims, created_at, created_by, expires_at, path_set_id, \
         acting_organization_id, read_organizations, first_at, lifetime, renewals_end_by) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
        params![
            uuid.to_string(),
            token.account_id,
            token.parent_id,
            token.description,
            permissions.join(" "),
            flakes.join(" "),
            token.scope.closures().map(joined),
            token.scope.signed_by().map(joined),
            token.scope.networks().map(joined),
            token.claims,
            token.created_at,
            token.created_by,
            token.expires_at,
            token.path_set_id,
            token.acting.map(|acting| acting.organization_id),
            token.acting.map(|acting| joined(&acting.reads)),
            token.terms.first_at,
            token
                .terms
                .lifetime
                .map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX)),
            token.terms.ends_by,
        ],
    )?;
    Ok(uuid)
}

/// A token for closures and those of its account that it was derived from and that are for closures too, the
/// first one of them first; nothing where there is no such token.
pub fn chain_of_closures(read: &Read, uuid: Uuid) -> Result<Vec<Token>, DatabaseError> {
    let mut chain: Vec<Token> = Vec::new();
    let mut next = Some(uuid);
    while let Some(uuid) = next {
        let Some(token) = find(read, uuid)? else {
            break;
        };
        let derived = chain
            .last()
            .is_none_or(|child| child.account_id == token.account_id);
        if !derived || token.scope.closures().is_none() {
            break;
        }
        next = token.parent;
        chain.push(token);
    }
    chain.reverse();
    Ok(chain)
}

/// Fixes what a token for closures may read that was made before there were sets; another one stays as it is.
pub fn fix_path_set(
    change: &AccessChange<'_>,
    uuid: Uuid,
    path_set_id: i64,
) -> Result<(), DatabaseError> {
    let sql = "UPDATE token SET path_set_id = ?2 WHERE uuid = ?1 AND path_set_id IS NULL";
    run(change, sql, params![uuid.to_string(), path_set_id])
}

/// Revokes tokens: how many were not before.
pub fn revoke(change: &AccessChange<'_>, ids: &[i64]) -> Result<usize, DatabaseError> {
    let sql = "UPDATE token SET revoked_at = ?2 \
               WHERE revoked_at IS NULL AND id IN (SELECT value FROM json_each(?1))";
    execute(change, sql, params![id_list(ids), now()])
}

/// Ends a token at a time, where it would last longer, for good: no renewal of it ends later. What came of it
/// stands.
pub fn end(change: &AccessChange<'_>, id: i64, at: Timestamp) -> Result<(), DatabaseError> {
    let sql = "UPDATE token SET expires_at = MIN(expires_at, ?2), \
               renewals_end_by = MIN(COALESCE(renewals_end_by, ?2), ?2) WHERE id = ?1";
    run(change, sql, params![id, at])
}

/// Removes the rows of tokens that ended before that time, and have asked for no token whose row is there:
/// how many. So no chain is ever cut, and revoking a token reaches all that came of it.
pub fn delete_ended_before(tx: &Tx<'_>, before: Timestamp) -> Result<usize, DatabaseError> {
    let sql = "DELETE FROM token WHERE expires_at < ?1 \
               AND id NOT IN (SELECT parent_id FROM token WHERE parent_id IS NOT NULL)";
    execute(tx, sql, params![before])
}

/// Notes when tokens were used last. Times only move forward.
pub fn touch(tx: &Tx<'_>, uses: &[(i64, Timestamp)]) -> Result<(), DatabaseError> {
    for (id, at) in uses {
        execute(
            tx,
            "UPDATE token SET last_used_at = MAX(COALESCE(last_used_at, 0), ?2) WHERE id = ?1",
            params![id, at],
        )?;
    }
    Ok(())
}
