//! The signing keys as they are stored.

use fh_api::UnknownWord;
use fh_nix::SecretKey;
use fh_sql::{Read, Row, Tx, params};
use zeroize::Zeroizing;

use super::rows::{all, column, from_row, texts};
use super::values::{now, parse, run};
use super::{DatabaseError, Timestamp};

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The path infos that Nix is served.
    NarInfo,
    /// The tokens of accounts and workloads.
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

/// Whose keys for path infos are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyOwner {
    /// The server: what it signs for all organisations alike.
    Server,
    /// One organisation, by its internal id.
    Organization(i64),
}

impl KeyOwner {
    fn organization_id(self) -> Option<i64> {
        match self {
            Self::Server => None,
            Self::Organization(id) => Some(id),
        }
    }
}

/// What a key is used for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// The one that signs now.
    Active,
    /// Told to clients, signs after the next rotation.
    Standby,
    /// One that signs no more, of which the public half is left.
    Retired,
}

impl KeyState {
    /// The word as it stands in the database and in the API.
    pub fn as_str(self) -> &'static str {
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

texts!(KeyState);

/// A row of `signing_key`.
pub struct StoredKey {
    /// The key's name; of a token key, its id.
    pub name: String,
    /// The secret, in the form that its purpose wants.
    pub secret: Zeroizing<String>,
    /// What it is used for now.
    pub state: KeyState,
    /// Whose it is; none where that organisation is gone.
    pub owner: Option<KeyOwner>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it signs no more.
    pub retired_at: Option<Timestamp>,
}

fn read_owner(row: &Row<'_>) -> Result<Option<KeyOwner>, DatabaseError> {
    Ok(if column(row, "of_organization")? {
        column::<Option<i64>>(row, "organization_id")?.map(KeyOwner::Organization)
    } else {
        Some(KeyOwner::Server)
    })
}

fn read_secret(row: &Row<'_>) -> Result<Zeroizing<String>, DatabaseError> {
    column(row, "secret").map(Zeroizing::new)
}

from_row!(StoredKey: name, secret by read_secret, state, owner by read_owner, created_at,
    retired_at);

const SELECT: &str = "SELECT name, secret, state, of_organization, organization_id, created_at, \
     retired_at FROM signing_key";

/// The keys of a purpose, whoever's they are, oldest first.
pub fn list(read: &Read, purpose: Purpose) -> Result<Vec<StoredKey>, DatabaseError> {
    let sql = format!("{SELECT} WHERE purpose = ?1 ORDER BY id");
    all(read, &sql, params![purpose.as_str()])
}

/// The keys for path infos of one owner, oldest first.
pub fn list_of(read: &Read, owner: KeyOwner) -> Result<Vec<StoredKey>, DatabaseError> {
    match owner.organization_id() {
        None => {
            let sql =
                format!("{SELECT} WHERE purpose = 'narinfo' AND of_organization = 0 ORDER BY id");
            all(read, &sql, &[])
        }
        Some(id) => {
            let sql =
                format!("{SELECT} WHERE purpose = 'narinfo' AND organization_id = ?1 ORDER BY id");
            all(read, &sql, params![id])
        }
    }
}

/// The names of all keys for path infos that begin with this text and a hyphen.
pub fn names_with_number(read: &Read, base: &str) -> Result<Vec<String>, DatabaseError> {
    // Answered from the unique index; a full stop follows the hyphen in ASCII.
    let sql = "SELECT name FROM signing_key \
               WHERE purpose = 'narinfo' AND name > ?1 || '-' AND name < ?1 || '.'";
    all(read, sql, params![base])
}

/// Adds a key. Token keys are the server's.
pub fn insert(
    tx: &Tx<'_>,
    purpose: Purpose,
    owner: KeyOwner,
    name: &str,
    secret: &str,
    state: KeyState,
) -> Result<(), DatabaseError> {
    let organization_id = owner.organization_id();
    run(
        tx,
        "INSERT INTO signing_key (purpose, name, secret, state, of_organization, organization_id, \
         created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            purpose.as_str(),
            name,
            secret,
            state.as_str(),
            organization_id.is_some(),
            organization_id,
            now()
        ],
    )
}

/// Lets the standby key for path infos become the active one, and the active one retire: of it only its
/// public half is left, and its secret is overwritten in the file.
pub fn promote(
    tx: &Tx<'_>,
    active: &str,
    active_public: &str,
    standby: &str,
) -> Result<(), DatabaseError> {
    tx.erasing(|| {
        retire(tx, active, active_public)?;
        activate(tx, standby)
    })
}

/// Lets the keys of an organisation that goes retire: of each only its public half is left.
pub fn retire_all(tx: &Tx<'_>, organization_id: i64) -> Result<(), DatabaseError> {
    let keys = list_of(tx, KeyOwner::Organization(organization_id))?;
    tx.erasing(|| {
        for key in keys.iter().filter(|key| key.state != KeyState::Retired) {
            let secret: SecretKey = parse(&key.secret, "signing key")?;
            retire(tx, &key.name, &secret.public().to_string())?;
        }
        Ok(())
    })
}

fn retire(tx: &Tx<'_>, name: &str, public: &str) -> Result<(), DatabaseError> {
    run(
        tx,
        "UPDATE signing_key SET state = 'retired', secret = ?2, retired_at = ?3 \
         WHERE purpose = 'narinfo' AND name = ?1 AND state <> 'retired'",
        params![name, public, now()],
    )
}

fn activate(tx: &Tx<'_>, name: &str) -> Result<(), DatabaseError> {
    run(
        tx,
        "UPDATE signing_key SET state = 'active' \
         WHERE purpose = 'narinfo' AND name = ?1 AND state = 'standby'",
        params![name],
    )
}
