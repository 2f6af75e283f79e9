//! Pushes between their plan and their commit.

use fh_sql::{Read, Tx, params};
use uuid::Uuid;

use super::rows::{first, from_row};
use super::upstream::Pusher;
use super::values::{execute, now, run};
use super::{DatabaseError, Timestamp};

/// A row of `push`.
#[derive(Debug, Clone)]
pub struct Push {
    pub id: i64,
    /// The parsed path infos, JSON.
    pub plan: Vec<u8>,
    /// What the commit answered, JSON; present where it is committed.
    pub summary: Option<String>,
    /// Until when it may be gone on with.
    pub expires_at: Timestamp,
}

from_row!(Push: id, plan, summary, expires_at);

pub fn insert(
    tx: &Tx<'_>,
    uuid: Uuid,
    flake_id: i64,
    account_id: i64,
    plan: &[u8],
    expires_at: Timestamp,
) -> Result<(), DatabaseError> {
    run(
        tx,
        "INSERT INTO push (uuid, flake_id, account_id, state, plan, created_at, expires_at) \
         VALUES (?1, ?2, ?3, 'open', ?4, ?5, ?6)",
        params![
            uuid.to_string(),
            flake_id,
            account_id,
            plan,
            now(),
            expires_at
        ],
    )
}

/// Notes a push that is committed, for which logs may still come. Its plan names the paths that they
/// are of.
pub fn insert_committed(
    tx: &Tx<'_>,
    uuid: Uuid,
    flake_id: i64,
    pusher: Pusher,
    plan: &[u8],
    summary: &str,
    expires_at: Timestamp,
) -> Result<(), DatabaseError> {
    run(
        tx,
        "INSERT INTO push \
         (uuid, flake_id, account_id, builder, state, plan, summary, created_at, expires_at, \
          committed_at) \
         VALUES (?1, ?2, ?3, ?4, 'committed', ?5, ?6, ?7, ?8, ?7)",
        params![
            uuid.to_string(),
            flake_id,
            pusher.account_id,
            pusher.builder,
            plan,
            summary,
            now(),
            expires_at
        ],
    )
}

/// The push of an account to a flake, of that id, if it has not expired.
pub fn find(
    read: &Read,
    uuid: Uuid,
    flake_id: i64,
    account_id: i64,
) -> Result<Option<Push>, DatabaseError> {
    first(
        read,
        "SELECT id, plan, summary, expires_at FROM push \
         WHERE uuid = ?1 AND flake_id = ?2 AND account_id = ?3 AND expires_at > ?4",
        params![uuid.to_string(), flake_id, account_id, now()],
    )
}

/// What the commit of a push answered, where it is committed; none where the push is gone.
pub fn summary(read: &Read, id: i64) -> Result<Option<Option<String>>, DatabaseError> {
    first(read, "SELECT summary FROM push WHERE id = ?1", params![id])
}

/// Marks a push as committed. Its plan is not needed any more.
pub fn set_committed(tx: &Tx<'_>, id: i64, summary: &str) -> Result<(), DatabaseError> {
    run(
        tx,
        "UPDATE push SET state = 'committed', summary = ?2, plan = x'', committed_at = ?3 \
         WHERE id = ?1",
        params![id, summary, now()],
    )
}

/// Lets a push that is still worked on last longer.
pub fn extend(tx: &Tx<'_>, id: i64, expires_at: Timestamp) -> Result<(), DatabaseError> {
    run(
        tx,
        "UPDATE push SET expires_at = ?2 WHERE id = ?1 AND expires_at < ?2",
        params![id, expires_at],
    )
}

pub fn delete(tx: &Tx<'_>, id: i64) -> Result<(), DatabaseError> {
    run(tx, "DELETE FROM push WHERE id = ?1", params![id])
}

/// Forgets what has expired: how many.
pub fn delete_expired(tx: &Tx<'_>) -> Result<usize, DatabaseError> {
    execute(
        tx,
        "DELETE FROM push WHERE expires_at <= ?1",
        params![now()],
    )
}
