//! Invitations: what organisations offer to accounts that do not belong to them, and what was accepted.
//!
//! A grant to an account by name is an invitation as long as the account neither belongs to the organisation
//! nor is its guest: [`super::grants::HELD`] is what makes it count, and no row of the grant itself. A
//! membership that is offered is a row of `membership_invitation`. So to accept an organisation is one row,
//! and to leave it takes that row away.
//!
//! Invariant: who is a member has neither a row of a guest nor one of an offer there (see
//! [`members::set`]).

use std::collections::BTreeMap;

use fh_api::{FlakeName, FlakePattern, InvitationInfo, Name, OfferedGrant, OrganizationRole};
use fh_sql::{Read, Tx, params};

use super::rows::{all, exists, one};
use super::values::{execute, now, run};
use super::{AccessChange, DatabaseError, Timestamp, members};

/// Where an account stands in an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belonging {
    /// It is a member, or a service account of the organisation.
    Own,
    /// It has accepted the organisation as a guest.
    Guest,
    /// Neither: what the organisation grants does not count.
    Stranger,
}

/// Where an account stands in an organisation.
pub fn belonging(
    read: &Read,
    organization_id: i64,
    account_id: i64,
) -> Result<Belonging, DatabaseError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM membership \
                              WHERE organization_id = ?1 AND account_id = ?2) \
               OR EXISTS (SELECT 1 FROM account WHERE id = ?2 AND organization_id = ?1) AS own, \
               EXISTS (SELECT 1 FROM guest WHERE organization_id = ?1 AND account_id = ?2) AS guest";
    Ok(
        match one(read, sql, params![organization_id, account_id])? {
            (true, _) => Belonging::Own,
            (false, true) => Belonging::Guest,
            (false, false) => Belonging::Stranger,
        },
    )
}

/// Offers a membership, in place of the one that was offered.
pub fn offer_membership(
    tx: &Tx<'_>,
    organization_id: i64,
    account_id: i64,
    role: OrganizationRole,
    by: i64,
) -> Result<(), DatabaseError> {
    run(
        tx,
        "INSERT INTO membership_invitation \
         (account_id, organization_id, role, created_at, created_by) VALUES (?2, ?1, ?3, ?4, ?5) \
         ON CONFLICT (account_id, organization_id) DO UPDATE \
         SET role = excluded.role, created_by = excluded.created_by",
        params![organization_id, account_id, role.as_str(), now(), by],
    )
}

/// Makes an account a guest: what the organisation grants to it counts. Whether it was none before.
pub fn add_guest(
    change: &AccessChange<'_>,
    organization_id: i64,
    account_id: i64,
    by: i64,
) -> Result<bool, DatabaseError> {
    let sql = "INSERT INTO guest (account_id, organization_id, accepted_at, accepted_by) \
               VALUES (?2, ?1, ?3, ?4) ON CONFLICT (account_id, organization_id) DO NOTHING";
    let keys = params![organization_id, account_id, now(), by];
    Ok(execute(change, sql, keys)? > 0)
}

/// Whether an organisation has granted anything to an account by name, on the whole or on one of its flakes, and
/// whether it counts or not.
pub fn has_grants(
    read: &Read,
    organization_id: i64,
    account_id: i64,
) -> Result<bool, DatabaseError> {
    let sql = "SELECT 1 AS found FROM access_grant \
               WHERE organization_id = ?1 AND subject = 'account' AND account_id = ?2 LIMIT 1";
    let keys = params![organization_id, account_id];
    exists(read, sql, keys)
}

/// Takes away what an organisation has granted to an account by name: how many grants they were.
pub fn remove_grants(
    change: &AccessChange<'_>,
    organization_id: i64,
    account_id: i64,
) -> Result<usize, DatabaseError> {
    let sql = "DELETE FROM access_grant \
               WHERE organization_id = ?1 AND subject = 'account' AND account_id = ?2";
    execute(change, sql, params![organization_id, account_id])
}

/// What accepting came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// The account is a member now.
    Member(OrganizationRole),
    /// It is a guest now.
    Guest,
    /// It belonged there already, and nothing else was offered.
    Already,
}

/// Accepts what an organisation offers to an account; none where it offers nothing.
pub fn accept(
    change: &AccessChange<'_>,
    organization_id: i64,
    account_id: i64,
    by: i64,
) -> Result<Option<Accepted>, DatabaseError> {
    if let Some(offered) = members::get_invited(change, organization_id, account_id)? {
        members::set(change, organization_id, account_id, offered.role)?;
        return Ok(Some(Accepted::Member(offered.role)));
    }
    match belonging(change, organization_id, account_id)? {
        Belonging::Own | Belonging::Guest => return Ok(Some(Accepted::Already)),
        Belonging::Stranger => {}
    }
    if !has_grants(change, organization_id, account_id)? {
        return Ok(None);
    }
    add_guest(change, organization_id, account_id, by)?;
    Ok(Some(Accepted::Guest))
}

/// What organisations offer to an account and what it has accepted as a guest, sorted by organisation.
pub fn offers(read: &Read, account_id: i64) -> Result<Vec<InvitationInfo>, DatabaseError> {
    let mut found = Offers::default();
    let sql = "SELECT o.name, i.role, i.created_at FROM membership_invitation i \
               JOIN organization o ON o.id = i.organization_id WHERE i.account_id = ?1";
    for (organization, role, since) in all(read, sql, params![account_id])? {
        found.of(organization, since).membership = Some(role);
    }
    let sql = "SELECT o.name, v.accepted_at FROM guest v \
               JOIN organization o ON o.id = v.organization_id WHERE v.account_id = ?1";
    for (organization, at) in all(read, sql, params![account_id])? {
        found.of(organization, at).accepted_at = Some(at.to_date_time());
    }
    // What a member, or the organisation's service account, was granted is no offer.
    let sql = "SELECT o.name AS org, f.name AS project, g.role, g.created_at FROM access_grant g \
               JOIN organization o ON o.id = g.organization_id \
               JOIN account a ON a.id = g.account_id AND a.organization_id IS NOT g.organization_id \
               LEFT JOIN flake f ON f.id = g.flake_id \
               WHERE g.subject = 'account' AND g.account_id = ?1 AND NOT EXISTS \
                 (SELECT 1 FROM membership m WHERE m.organization_id = g.organization_id \
                  AND m.account_id = g.account_id) \
               ORDER BY f.folded";
    for (organization, project, role, since) in
        all::<(Name, Option<Name>, _, _)>(read, sql, params![account_id])?
    {
        let on = match project {
            None => FlakePattern::Organization(organization.clone()),
            Some(project) => FlakePattern::Flake(FlakeName {
                org: organization.clone(),
                project,
            }),
        };
        let grants = &mut found.of(organization, since).grants;
        grants.push(OfferedGrant { on, role });
    }
    Ok(found.0.into_values().collect())
}

/// What is offered, by the folded name of the organisation.
#[derive(Default)]
struct Offers(BTreeMap<String, InvitationInfo>);

impl Offers {
    /// What an organisation offers, since this time or before.
    fn of(&mut self, organization: Name, since: Timestamp) -> &mut InvitationInfo {
        let since = since.to_date_time();
        let info = self.0.entry(organization.folded());
        let info = info.or_insert_with(|| InvitationInfo {
            organization,
            membership: None,
            grants: Vec::new(),
            created_at: since,
            accepted_at: None,
        });
        info.created_at = info.created_at.min(since);
        info
    }
}
