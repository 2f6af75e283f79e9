//! The schema's versions, embedded. `PRAGMA user_version` tells how many of them a file has seen.
//!
//! A migration that stands here is never changed: a new version is a new file.

mod told;

use fh_sql::Connection;

use super::DatabaseError;

/// Each takes the schema from version `index` to `index + 1`.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_logs.sql"),
    include_str!("migrations/0003_integrity.sql"),
    include_str!("migrations/0004_access.sql"),
    include_str!("migrations/0005_lookup.sql"),
    include_str!("migrations/0006_packed.sql"),
    include_str!("migrations/0007_pack.sql"),
    include_str!("migrations/0008_trust.sql"),
    include_str!("migrations/0009_tokens.sql"),
    include_str!("migrations/0010_acting.sql"),
    include_str!("migrations/0011_signing.sql"),
    include_str!("migrations/0012_ids.sql"),
    include_str!("migrations/0013_logs_of_builders.sql"),
    include_str!("migrations/0014_upstream.sql"),
    include_str!("migrations/0015_voices.sql"),
    include_str!("migrations/0016_renewals.sql"),
    include_str!("migrations/0017_former_names.sql"),
    include_str!("migrations/0018_realisations.sql"),
];

/// The newest version of the schema that this program knows.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Brings the schema up to date, each version in its own transaction.
pub(super) fn run(connection: &mut Connection) -> Result<(), DatabaseError> {
    apply(connection, MIGRATIONS)
}

/// As [`run`], with the versions given.
fn apply(connection: &mut Connection, versions: &[&str]) -> Result<(), DatabaseError> {
    fh_sql::migrate(connection, versions, |tx, version| {
        // In the transaction: told of once, and of the schema that its questions are made for.
        if version == told::TRUST {
            told::of_trust(tx)?;
        }
        tracing::info!(version, "database schema brought up to date");
        Ok(())
    })
}
