//! Identities and nonces that were exchanged, by digest, so that none is exchanged twice.

use fh_sql::{Tx, params};

use super::values::{execute, now};
use super::{DatabaseError, Timestamp};

/// Uses one up, which ends by itself at that time: whether it was good still.
///
/// In the transaction of what it is used for, so that it is used up only where that succeeds.
pub fn use_once(
    tx: &Tx<'_>,
    digest: &[u8; 32],
    expires_at: Timestamp,
) -> Result<bool, DatabaseError> {
    let sql = "INSERT INTO used_assertion (digest, expires_at) VALUES (?1, ?2) \
               ON CONFLICT (digest) DO NOTHING";
    Ok(execute(tx, sql, params![digest, expires_at])? == 1)
}

/// Forgets those that have ended: how many.
pub fn delete_expired(tx: &Tx<'_>) -> Result<usize, DatabaseError> {
    let sql = "DELETE FROM used_assertion WHERE expires_at <= ?1";
    execute(tx, sql, params![now()])
}
