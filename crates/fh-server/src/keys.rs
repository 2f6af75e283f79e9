//! The server's keys in memory: two that sign path infos, and one that signs tokens.

use data_encoding::BASE64;
use fh_api::SigningKeyInfo;
use fh_auth::TokenKey;
use fh_nix::{PublicKey, SecretKey};
use rusqlite::Connection;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::database::keys::{KeyState, Purpose, StoredKey, list};
use crate::database::{DatabaseError, settings};
use crate::error::Source;

/// Why the stored keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The database failed.
    #[error("cannot read the keys")]
    Database(#[from] DatabaseError),
    /// A key that the first start makes is not there.
    #[error("the database has no {0}")]
    Missing(&'static str),
    /// A stored secret is none.
    #[error("the stored key {name:?} is not usable")]
    Unusable {
        /// The key's name.
        name: String,
        /// Why; nothing of the secret is in it.
        source: Source,
    },
}

/// The keys. Their secrets are erased when dropped.
pub(crate) struct Keys {
    active: SecretKey,
    standby: SecretKey,
    token: TokenKey,
    audience: String,
}

impl Keys {
    /// Reads the keys that the first start has made.
    pub(crate) fn load(connection: &Connection) -> Result<Self, KeyError> {
        let narinfo = list(connection, Purpose::NarInfo)?;
        let server_id: Uuid = settings::get(connection, settings::SERVER_ID)?
            .ok_or(KeyError::Missing("id of the server"))?
            .parse()
            .map_err(|error: uuid::Error| KeyError::Unusable {
                name: "id of the server".to_owned(),
                source: error.into(),
            })?;
        let tokens = list(connection, Purpose::Token)?;
        Ok(Self {
            active: narinfo_key(&narinfo, KeyState::Active, "active signing key")?,
            standby: narinfo_key(&narinfo, KeyState::Standby, "standby signing key")?,
            token: token_key(&tokens)?,
            audience: format!("urn:fh:{server_id}"),
        })
    }

    /// The key that signs path infos.
    pub(crate) fn active(&self) -> &SecretKey {
        &self.active
    }

    /// The key that signs tokens.
    pub(crate) fn token(&self) -> &TokenKey {
        &self.token
    }

    /// The audience of the server's tokens, `urn:fh:<server id>`.
    pub(crate) fn audience(&self) -> &str {
        &self.audience
    }

    /// Whether a public key is one of this server's.
    pub(crate) fn is_own(&self, key: &PublicKey) -> bool {
        [&self.active, &self.standby]
            .iter()
            .any(|own| own.public() == *key)
    }

    /// The public keys for nix.conf, active first.
    pub(crate) fn public(&self) -> Vec<SigningKeyInfo> {
        [
            (&self.active, KeyState::Active),
            (&self.standby, KeyState::Standby),
        ]
        .map(|(key, state)| SigningKeyInfo {
            public_key: key.public().to_string(),
            state: state.as_str().to_owned(),
        })
        .into()
    }
}

fn narinfo_key(
    stored: &[StoredKey],
    state: KeyState,
    what: &'static str,
) -> Result<SecretKey, KeyError> {
    let stored = stored
        .iter()
        .rfind(|key| key.state == state)
        .ok_or(KeyError::Missing(what))?;
    stored
        .secret
        .parse()
        .map_err(|error: fh_nix::Error| KeyError::Unusable {
            name: stored.name.clone(),
            source: error.into(),
        })
}

fn token_key(stored: &[StoredKey]) -> Result<TokenKey, KeyError> {
    let stored = stored
        .iter()
        .rfind(|key| key.state == KeyState::Active)
        .ok_or(KeyError::Missing("token key"))?;
    let unusable = |source: Source| KeyError::Unusable {
        name: stored.name.clone(),
        source,
    };
    let bytes = BASE64
        .decode(stored.secret.as_bytes())
        .map(Zeroizing::new)
        .map_err(|error| unusable(error.into()))?;
    let seed: [u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| unusable("it does not have 32 bytes".into()))?;
    Ok(TokenKey::from_seed(&stored.name, &Zeroizing::new(seed)))
}

/// A token key's secret as it is stored.
pub(crate) fn token_secret(seed: &Zeroizing<[u8; 32]>) -> Zeroizing<String> {
    Zeroizing::new(BASE64.encode(seed.as_slice()))
}
