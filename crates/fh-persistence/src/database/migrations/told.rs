//! What the log says of a change of the schema that takes something from somebody.

use fh_sql::Read;

use crate::database::DatabaseError;
use crate::database::rows::{all, from_row};

/// The version from which on a view belongs to its reader.
pub(super) const TRUST: i64 = 8;

/// A grant that counts no more until it is accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) account: String,
    pub(super) on: String,
    pub(super) role: String,
}

from_row!(Pending: account, on = "target", role);

/// The grants to accounts that neither belong to the organisation nor are its guests, as the schema of
/// version [`TRUST`] has them.
pub(super) fn pending(read: &Read) -> Result<Vec<Pending>, DatabaseError> {
    let sql = "SELECT a.name AS account, o.name || '/' || COALESCE(f.name, '*') AS target, g.role \
               FROM access_grant g JOIN account a ON a.id = g.account_id \
               JOIN organization o ON o.id = g.organization_id LEFT JOIN flake f ON f.id = g.flake_id \
               WHERE g.subject = 'account' AND a.organization_id IS NOT g.organization_id \
               AND NOT EXISTS (SELECT 1 FROM membership m WHERE m.account_id = g.account_id \
                               AND m.organization_id = g.organization_id) \
               AND NOT EXISTS (SELECT 1 FROM guest v WHERE v.account_id = g.account_id \
                               AND v.organization_id = g.organization_id) \
               ORDER BY a.folded, target";
    all(read, sql, &[])
}

/// The public flakes, which stood in everybody's view at the root until now.
pub(super) fn public(read: &Read) -> Result<Vec<String>, DatabaseError> {
    let sql = "SELECT o.name || '/' || f.name AS flake FROM flake f \
               JOIN organization o ON o.id = f.organization_id \
               WHERE f.visibility = 'public' ORDER BY o.folded, f.folded";
    all(read, sql, &[])
}

/// Says for whom what changed, where something did.
pub(super) fn of_trust(read: &Read) -> Result<(), DatabaseError> {
    for Pending { account, on, role } in pending(read)? {
        tracing::warn!(
            %account,
            %on,
            %role,
            "this grant is now an invitation, because its account does not belong to the organisation and no \
             server administrator gave it: it takes effect when it is accepted (`fh invitation accept ORG`)"
        );
    }
    for flake in public(read)? {
        tracing::warn!(
            %flake,
            "this public flake is read below its own address, /cache/ORG/PROJECT, from now on: at the root \
             address its members read it, and anyone who follows it (`fh follow ORG/PROJECT`)"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use fh_sql::Connection;

    use super::super::{MIGRATIONS, apply};
    use super::*;

    /// What stood in the database of a server that had not heard of views that belong to their readers.
    const BEFORE: &str = "\
        INSERT INTO organization (id, uuid, name, folded, created_at) \
        VALUES (1, 'o1', 'Acme', 'acme', 0), (2, 'o2', 'evil', 'evil', 0); \
        INSERT INTO account (id, uuid, name, folded, kind, server_admin, created_at) \
        VALUES (1, 'a1', 'root', 'root', 'human', 1, 0), (2, 'a2', 'Ann', 'ann', 'human', 0, 0), \
               (3, 'a3', 'mallory', 'mallory', 'human', 0, 0), (4, 'a4', 'ci', 'ci', 'service', 0, 0); \
        UPDATE account SET organization_id = 1 WHERE id = 4; \
        INSERT INTO membership (organization_id, account_id, role, created_at) \
        VALUES (1, 2, 'member', 0), (2, 3, 'owner', 0); \
        INSERT INTO flake (id, uuid, organization_id, name, folded, visibility, created_at) \
        VALUES (1, 'f1', 1, 'app', 'app', 'private', 0), (2, 'f2', 2, 'X', 'x', 'public', 0); \
        INSERT INTO access_grant \
        (uuid, organization_id, flake_id, subject, account_id, role, created_at, created_by) \
        VALUES ('g1', 1, 1, 'account', 2, 'read', 0, 1), \
               ('g2', 1, 1, 'account', 3, 'read', 0, 1), \
               ('g3', 2, 2, 'account', 2, 'read', 0, 3), \
               ('g4', 2, NULL, 'account', 2, 'write', 0, 3), \
               ('g5', 1, 1, 'account', 4, 'write', 0, 2), \
               ('g6', 2, 2, 'account', 4, 'read', 0, 3);";

    #[test]
    fn an_upgrade_tells_whose_grants_became_invitations() {
        let directory = tempfile::TempDir::new().unwrap();
        let mut connection = Connection::writer(&directory.path().join("fh.sqlite")).unwrap();
        let before = usize::try_from(TRUST).unwrap() - 1;
        apply(&mut connection, &MIGRATIONS[..before]).unwrap();
        let tx = connection.write().unwrap();
        tx.batch(BEFORE).unwrap();
        tx.commit().unwrap();
        apply(&mut connection, &MIGRATIONS[..=before]).unwrap();
        let tx = connection.write().unwrap();
        let told: Vec<String> = pending(&tx)
            .unwrap()
            .into_iter()
            .map(|one| format!("{} {} {}", one.account, one.on, one.role))
            .collect();
        assert_eq!(
            told,
            ["Ann evil/* write", "Ann evil/X read", "ci evil/X read"]
        );
        assert_eq!(public(&tx).unwrap(), ["evil/X"]);
        // Whom a server administrator has given something is a guest.
        let guests = tx.one(
            "SELECT COUNT(*) FROM guest WHERE account_id = 3",
            &[],
            |row| row.get::<_, i64>(0),
        );
        assert_eq!(guests.unwrap(), 1);
        of_trust(&tx).unwrap();
    }
}
