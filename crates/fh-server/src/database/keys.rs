//! The signing keys as they are stored.

use fh_api::UnknownWord;
use rusqlite::{Connection, params};
use zeroize::Zeroizing;

use super::values::{all, execute, now, parsed};
use super::{DatabaseError, Timestamp};

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Path infos.
    NarInfo,
    /// Tokens.
    Token,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::NarInfo => "narinfo",
            Self::Token => "token",
        }
    }
}

/// What a key is used for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// Signs.
    Active,
    /// Told to clients, signs after the next rotation.
    Standby,
    /// Signs no more.
    Retired,
}

impl KeyState {
    /// The word as it stands in the database and in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Standby => "standby",
            Self::Retired => "retired",
        }
    }
}

impl std::str::FromStr for KeyState {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "active" => Ok(Self::Active),
            "standby" => Ok(Self::Standby),
            "retired" => Ok(Self::Retired),
            _ => Err(UnknownWord {
                what: "key state",
                given: word.chars().take(40).collect(),
                known: &["active", "standby", "retired"],
            }),
        }
    }
}

/// A row of `signing_key`.
pub(crate) struct StoredKey {
    /// The key's name; of a token key, its id.
    pub(crate) name: String,
    /// The secret, in the form that its purpose wants.
    pub(crate) secret: Zeroizing<String>,
    /// What it is used for now.
    pub(crate) state: KeyState,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// Since when it signs no more.
    pub(crate) retired_at: Option<Timestamp>,
}

/// The keys of a purpose, oldest first.
pub(crate) fn list(
    connection: &Connection,
    purpose: Purpose,
) -> Result<Vec<StoredKey>, DatabaseError> {
    let sql = "SELECT name, secret, state, created_at, retired_at FROM signing_key WHERE purpose = ?1 ORDER BY id";
    all(connection, sql, params![purpose.as_str()], |row| {
        Ok(StoredKey {
            name: row.get("name")?,
            secret: Zeroizing::new(row.get("secret")?),
            state: parsed(row, "state", "key state")?,
            created_at: row.get("created_at")?,
            retired_at: row.get("retired_at")?,
        })
    })
}

/// Adds a key.
pub(crate) fn insert(
    connection: &Connection,
    purpose: Purpose,
    name: &str,
    secret: &str,
    state: KeyState,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "INSERT INTO signing_key (purpose, name, secret, state, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![purpose.as_str(), name, secret, state.as_str(), now()],
    )?;
    Ok(())
}

/// Lets the standby key for path infos become the active one, and the active one retire: of it only its
/// public half is left, and its secret is overwritten in the file.
pub(crate) fn promote(
    connection: &Connection,
    active: &str,
    active_public: &str,
    standby: &str,
) -> Result<(), DatabaseError> {
    // Else SQLite leaves the old bytes in the page until something else needs the room.
    connection.pragma_update(None, "secure_delete", true)?;
    let changed =
        retire(connection, active, active_public).and_then(|()| activate(connection, standby));
    connection.pragma_update(None, "secure_delete", false)?;
    changed
}

fn retire(connection: &Connection, name: &str, public: &str) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE signing_key SET state = 'retired', secret = ?2, retired_at = ?3 \
         WHERE purpose = 'narinfo' AND name = ?1 AND state = 'active'",
        params![name, public, now()],
    )?;
    Ok(())
}

fn activate(connection: &Connection, name: &str) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE signing_key SET state = 'active' \
         WHERE purpose = 'narinfo' AND name = ?1 AND state = 'standby'",
        params![name],
    )?;
    Ok(())
}
