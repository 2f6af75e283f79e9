//! What the server remembers of itself, by name.

use fh_sql::{Read, Tx, params};

use super::DatabaseError;
use super::rows::first;
use super::values::run;

/// The server's id, which is the audience of its tokens.
pub const SERVER_ID: &str = "server_id";

/// The public id of the organisation that was made first, whether it is there still or not.
pub const FIRST_ORGANIZATION: &str = "first_organization";

/// How often an organisation or a flake was renamed.
pub const RENAMES: &str = "renames";

/// The id of the administrator's token that is about to be written to `admin.token`.
pub const PENDING_ADMIN_TOKEN: &str = "pending_admin_token";

/// The value of that name.
pub fn get(read: &Read, name: &str) -> Result<Option<String>, DatabaseError> {
    let sql = "SELECT value FROM server_setting WHERE name = ?1";
    first(read, sql, params![name])
}

/// Sets the value of that name, whatever it was.
pub fn set(tx: &Tx<'_>, name: &str, value: &str) -> Result<(), DatabaseError> {
    run(
        tx,
        "INSERT INTO server_setting (name, value) VALUES (?1, ?2) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        params![name, value],
    )
}

/// Forgets the value of that name.
pub fn remove(tx: &Tx<'_>, name: &str) -> Result<(), DatabaseError> {
    run(
        tx,
        "DELETE FROM server_setting WHERE name = ?1",
        params![name],
    )
}
