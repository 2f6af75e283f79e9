//! What tokens for closures may read, fixed: stored once for all tokens that have the same.

use fh_auth::PathSet;
use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

use super::DatabaseError;
use super::values::{execute, first};

/// Stores a set, unless it is there: its id. Whatever is to refer to it is written by the same transaction,
/// else it is collected.
pub(crate) fn keep(connection: &Connection, set: &PathSet) -> Result<i64, DatabaseError> {
    let digest: [u8; 32] = Sha256::digest(set.as_bytes()).into();
    let sql =
        "INSERT INTO path_set (digest, content) VALUES (?1, ?2) ON CONFLICT (digest) DO NOTHING";
    execute(connection, sql, params![digest, set.as_bytes()])?;
    let sql = "SELECT id FROM path_set WHERE digest = ?1";
    let id = first(connection, sql, params![digest], |row| Ok(row.get("id")?))?;
    id.ok_or_else(|| invalid("it is not there after it was stored"))
}

/// A set; none where no token has it any more.
pub(crate) fn get(connection: &Connection, id: i64) -> Result<Option<PathSet>, DatabaseError> {
    let sql = "SELECT content FROM path_set WHERE id = ?1";
    let content: Option<Vec<u8>> =
        first(connection, sql, params![id], |row| Ok(row.get("content")?))?;
    content
        .map(|bytes| PathSet::from_bytes(bytes).ok_or_else(|| invalid("it is not sorted")))
        .transpose()
}

/// Removes the sets that no token has any more.
pub(crate) fn delete_unused(connection: &Connection) -> Result<usize, DatabaseError> {
    let sql = "DELETE FROM path_set WHERE NOT EXISTS \
               (SELECT 1 FROM token WHERE token.path_set_id = path_set.id)";
    execute(connection, sql, params![])
}

fn invalid(why: &'static str) -> DatabaseError {
    DatabaseError::Invalid {
        what: "set of paths",
        source: why.into(),
    }
}
