//! The server's keys in memory: two that sign path infos, and one that signs tokens.
//!
//! ```text
//! rotation:  (new) ─▶ standby ─▶ active ─▶ retired: its secret is erased, its public half stays known
//! ```
//!
//! Clients trust active and standby. So a rotation changes nothing for them on its day: what is signed
//! from then on is signed with a key that they have, and they have until the next one to learn the new
//! standby. The keys for path infos are replaced as one, and whoever asks takes one copy: no answer sees
//! half of a rotation.

use std::sync::{Arc, PoisonError, RwLock};

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
    signing: RwLock<Arc<SigningKeys>>,
    /// One rotation, or reading anew, at a time: the last one that read is the last one that counts.
    replacing: tokio::sync::Mutex<()>,
    token: TokenKey,
    audience: String,
}

/// The keys for path infos as they are between two rotations.
pub(crate) struct SigningKeys {
    active: SecretKey,
    standby: SecretKey,
    /// Signs no more. Whoever has trusted them may do so still.
    retired: Vec<PublicKey>,
}

impl SigningKeys {
    /// Reads them.
    pub(crate) fn load(connection: &Connection) -> Result<Self, KeyError> {
        let stored = list(connection, Purpose::NarInfo)?;
        let retired = stored.iter().filter(|key| key.state == KeyState::Retired);
        Ok(Self {
            active: narinfo_key(&stored, KeyState::Active, "active signing key")?,
            standby: narinfo_key(&stored, KeyState::Standby, "standby signing key")?,
            retired: retired.map(public_half).collect::<Result<_, _>>()?,
        })
    }

    /// The key that signs.
    pub(crate) fn active(&self) -> &SecretKey {
        &self.active
    }

    /// The key that signs after the next rotation.
    pub(crate) fn standby(&self) -> &SecretKey {
        &self.standby
    }
}

impl Keys {
    /// Reads the keys that the first start has made.
    pub(crate) fn load(connection: &Connection) -> Result<Self, KeyError> {
        let server_id: Uuid = settings::get(connection, settings::SERVER_ID)?
            .ok_or(KeyError::Missing("id of the server"))?
            .parse()
            .map_err(|error: uuid::Error| KeyError::Unusable {
                name: "id of the server".to_owned(),
                source: error.into(),
            })?;
        let tokens = list(connection, Purpose::Token)?;
        Ok(Self {
            signing: RwLock::new(Arc::new(SigningKeys::load(connection)?)),
            replacing: tokio::sync::Mutex::default(),
            token: token_key(&tokens)?,
            audience: format!("urn:fh:{server_id}"),
        })
    }

    /// The keys for path infos, as they are now.
    pub(crate) fn signing(&self) -> Arc<SigningKeys> {
        let signing = self.signing.read();
        Arc::clone(&signing.unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the keys for path infos by what `make` makes or reads; they stay where that fails.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) async fn replace<E>(
        &self,
        make: impl Future<Output = Result<SigningKeys, E>>,
    ) -> Result<(), E> {
        let _one_at_a_time = self.replacing.lock().await;
        let made = Arc::new(make.await?);
        *self.signing.write().unwrap_or_else(PoisonError::into_inner) = made;
        Ok(())
    }

    /// The key that signs tokens.
    pub(crate) fn token(&self) -> &TokenKey {
        &self.token
    }

    /// The audience of the server's tokens, `urn:fh:<server id>`.
    pub(crate) fn audience(&self) -> &str {
        &self.audience
    }

    /// Whether a token says that the server has signed it, which it may not have.
    pub(crate) fn is_own_token(&self, token: &str) -> bool {
        fh_auth::read_unverified(token).is_ok_and(|claims| claims.aud == self.audience)
            && fh_auth::identity::Unverified::read(token)
                .is_ok_and(|token| token.key_id() == Some(self.token.id()))
    }

    /// Whether a public key is one of this server's, or was.
    pub(crate) fn is_own(&self, key: &PublicKey) -> bool {
        let signing = self.signing();
        signing.retired.contains(key)
            || [&signing.active, &signing.standby]
                .iter()
                .any(|own| own.public() == *key)
    }

    /// The public keys for nix.conf, active first.
    pub(crate) fn public(&self) -> Vec<SigningKeyInfo> {
        let signing = self.signing();
        [
            (&signing.active, KeyState::Active),
            (&signing.standby, KeyState::Standby),
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

/// The public half of a key, whatever is left of it: of a retired one it stands where the secret was.
pub(crate) fn public_half(stored: &StoredKey) -> Result<PublicKey, KeyError> {
    let unusable = |error: fh_nix::Error| KeyError::Unusable {
        name: stored.name.clone(),
        source: error.into(),
    };
    match stored.state {
        KeyState::Retired => stored.secret.parse().map_err(unusable),
        KeyState::Active | KeyState::Standby => stored
            .secret
            .parse()
            .map(|key: SecretKey| key.public())
            .map_err(unusable),
    }
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
