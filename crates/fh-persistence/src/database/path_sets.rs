//! What tokens for closures may read, fixed: stored once for all tokens that have the same.

use fh_auth::PathSet;
use fh_sql::{Read, Tx, params};
use sha2::{Digest as _, Sha256};

use super::DatabaseError;
use super::rows::first;
use super::values::execute;

/// Stores a set, unless it is there: its id. Whatever is to refer to it is written by the same transaction,
/// else it is collected.
pub fn keep(tx: &Tx<'_>, set: &PathSet) -> Result<i64, DatabaseError> {
    let digest: [u8; 32] = Sha256::digest(set.as_bytes()).into();
    let sql =
        "INSERT INTO path_set (digest, content) VALUES (?1, ?2) ON CONFLICT (digest) DO NOTHING";
    execute(tx, sql, params![digest, set.as_bytes()])?;
    let sql = "SELECT id FROM path_set WHERE digest = ?1";
    let id = first(tx, sql, params![digest])?;
    id.ok_or_else(|| invalid("it is not there after it was stored"))
}

/// A set; none where no token has it any more.
pub fn get(read: &Read, id: i64) -> Result<Option<PathSet>, DatabaseError> {
    let sql = "SELECT content FROM path_set WHERE id = ?1";
    let content: Option<Vec<u8>> = first(read, sql, params![id])?;
    content
        .map(|bytes| PathSet::from_bytes(bytes).ok_or_else(|| invalid("it is not sorted")))
        .transpose()
}

/// Removes the sets that no token has any more.
pub fn delete_unused(tx: &Tx<'_>) -> Result<usize, DatabaseError> {
    let sql = "DELETE FROM path_set WHERE NOT EXISTS \
               (SELECT 1 FROM token WHERE token.path_set_id = path_set.id)";
    execute(tx, sql, params![])
}

fn invalid(why: &'static str) -> DatabaseError {
    DatabaseError::invalid("set of paths", why)
}
