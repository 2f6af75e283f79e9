//! The keys in memory: those that sign path infos, and the one that signs tokens.
//!
//! ```text
//! rotation:  (new) ─▶ standby ─▶ active ─▶ retired: its secret is erased, its public half stays known
//! ```
//!
//! Clients trust active and standby. So a rotation changes nothing for them on its day: what is signed
//! from then on is signed with a key that they have, and they have until the next one to learn the new
//! standby. For that they have some time: a second rotation is refused while the standby is young, unless it is
//! forced. Two keys of one owner are replaced as one, and whoever asks takes one copy: no answer sees
//! half of a rotation.
//!
//! The owner is the server, whose keys sign for all organisations alike, or with `signing =
//! per-organization` each organisation. What has been anybody's key stays known as [own](Keys::is_own)
//! for ever: its signature says that this server served something, and never who built it.

mod make;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use data_encoding::BASE64;
use fh_api::{Signing, SigningKeyInfo};
use fh_auth::TokenKey;
use fh_nix::{PublicKey, SecretKey};
use fh_persistence::cause::Cause;
use fh_persistence::database::keys::{KeyOwner, KeyState, Purpose, StoredKey, list, list_of};
use fh_persistence::database::{DatabaseError, settings};
use fh_sql::Read;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use self::make::{KeyNames, ensure, ensure_for_organizations, rotate};

/// Why keys cannot be used or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read the keys")]
    Database(#[from] DatabaseError),
    /// A key that should have been made before is not there.
    #[error("the database has no {0}")]
    Missing(&'static str),
    /// A stored secret is none.
    #[error("the stored key {name:?} is invalid")]
    Unusable {
        name: String,
        /// Why; nothing of the secret is in it.
        source: Cause,
    },
    /// There are no random numbers, or its name is not fit for a key.
    #[error("cannot create a key")]
    Make(#[source] Cause),
}

impl From<KeyError> for DatabaseError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Database(error) => error,
            error => Self::invalid("signing key", error),
        }
    }
}

/// The keys. Their secrets are erased when dropped.
pub struct Keys {
    mode: Signing,
    signing: RwLock<Arc<KeyRing>>,
    /// One rotation, or reading anew, at a time: the last one that read is the last one that counts.
    replacing: tokio::sync::Mutex<()>,
    token: TokenKey,
    audience: String,
}

/// The keys for path infos, of all owners, as they are between two changes.
#[derive(Clone)]
pub struct KeyRing {
    server: Arc<SigningKeys>,
    organizations: HashMap<i64, Arc<SigningKeys>>,
    /// All that this server signs, will sign and has ever signed with.
    own: HashSet<PublicKey>,
}

/// The keys of one owner.
pub struct SigningKeys {
    active: SecretKey,
    standby: SecretKey,
}

impl SigningKeys {
    /// Reads those of one owner.
    pub fn load(read: &Read, owner: KeyOwner) -> Result<Self, KeyError> {
        Self::of_stored(&list_of(read, owner)?)
    }

    fn of_stored<'a>(
        stored: impl IntoIterator<Item = &'a StoredKey> + Clone,
    ) -> Result<Self, KeyError> {
        Ok(Self {
            active: narinfo_key(stored.clone(), KeyState::Active, "active signing key")?,
            standby: narinfo_key(stored, KeyState::Standby, "standby signing key")?,
        })
    }

    /// The key that signs.
    pub fn active(&self) -> &SecretKey {
        &self.active
    }

    /// The key that signs after the next rotation.
    pub fn standby(&self) -> &SecretKey {
        &self.standby
    }

    /// Both public keys for nix.conf, active first.
    pub fn public(&self) -> Vec<SigningKeyInfo> {
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

impl KeyRing {
    pub fn load(read: &Read) -> Result<Self, KeyError> {
        let stored = list(read, Purpose::NarInfo)?;
        let mut by_owner: HashMap<KeyOwner, Vec<&StoredKey>> = HashMap::new();
        for key in &stored {
            if let Some(owner) = key.owner {
                by_owner.entry(owner).or_default().push(key);
            }
        }
        let of_server = by_owner.remove(&KeyOwner::Server).unwrap_or_default();
        let mut organizations = HashMap::with_capacity(by_owner.len());
        for (owner, keys) in by_owner {
            if let KeyOwner::Organization(id) = owner {
                organizations.insert(id, Arc::new(SigningKeys::of_stored(keys)?));
            }
        }
        Ok(Self {
            server: Arc::new(SigningKeys::of_stored(of_server)?),
            organizations,
            own: stored.iter().map(public_half).collect::<Result<_, _>>()?,
        })
    }

    /// Replaces the keys of one owner. Those of before are still known to be own.
    fn set(&mut self, owner: KeyOwner, keys: SigningKeys) {
        self.own
            .extend([keys.active.public(), keys.standby.public()]);
        let keys = Arc::new(keys);
        match owner {
            KeyOwner::Server => self.server = keys,
            KeyOwner::Organization(id) => {
                self.organizations.insert(id, keys);
            }
        }
    }
}

impl Keys {
    /// Reads the keys that the start has made.
    pub fn load(read: &Read, mode: Signing) -> Result<Self, KeyError> {
        let server_id: Uuid = settings::get(read, settings::SERVER_ID)?
            .ok_or(KeyError::Missing("id of the server"))?
            .parse()
            .map_err(|error: uuid::Error| KeyError::Unusable {
                name: "id of the server".to_owned(),
                source: error.into(),
            })?;
        let tokens = list(read, Purpose::Token)?;
        Ok(Self {
            mode,
            signing: RwLock::new(Arc::new(KeyRing::load(read)?)),
            replacing: tokio::sync::Mutex::default(),
            token: token_key(&tokens)?,
            audience: format!("urn:fh:{server_id}"),
        })
    }

    pub fn mode(&self) -> Signing {
        self.mode
    }

    fn ring(&self) -> Arc<KeyRing> {
        let ring = self.signing.read();
        Arc::clone(&ring.unwrap_or_else(PoisonError::into_inner))
    }

    fn change_ring(&self, change: impl FnOnce(&mut KeyRing)) {
        let mut present = self.signing.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut present));
    }

    /// The server's own keys for path infos, as they are now.
    pub fn signing(&self) -> Arc<SigningKeys> {
        Arc::clone(&self.ring().server)
    }

    /// Whose keys sign what an organisation's slices hold.
    pub fn signer_of(&self, organization_id: i64) -> KeyOwner {
        match self.mode {
            Signing::Shared => KeyOwner::Server,
            Signing::PerOrganization => KeyOwner::Organization(organization_id),
        }
    }

    /// The keys that sign what an organisation's slices hold; none where another process has just made it.
    pub fn signing_of(&self, organization_id: i64) -> Option<Arc<SigningKeys>> {
        let ring = self.ring();
        match self.signer_of(organization_id) {
            KeyOwner::Server => Some(Arc::clone(&ring.server)),
            KeyOwner::Organization(id) => ring.organizations.get(&id).map(Arc::clone),
        }
    }

    /// The same, from the database where they are not known yet.
    pub fn find_signing_of(
        &self,
        read: &Read,
        organization_id: i64,
    ) -> Result<Arc<SigningKeys>, KeyError> {
        match self.signing_of(organization_id) {
            Some(keys) => Ok(keys),
            None => SigningKeys::load(read, self.signer_of(organization_id)).map(Arc::new),
        }
    }

    /// Replaces the keys for path infos of one owner by those that `make` makes; they stay where that fails.
    ///
    /// # Errors
    /// Those of `make`.
    pub async fn replace<E>(
        &self,
        owner: KeyOwner,
        make: impl Future<Output = Result<SigningKeys, E>>,
    ) -> Result<(), E> {
        let _one_at_a_time = self.replacing.lock().await;
        let made = make.await?;
        self.learn(owner, made);
        Ok(())
    }

    /// Replaces the keys for path infos of one owner, in the transaction that makes them.
    pub fn learn(&self, owner: KeyOwner, keys: SigningKeys) {
        self.change_ring(|ring| ring.set(owner, keys));
    }

    /// Forgets the keys of an organisation, in the transaction that removes it. They stay known to be own.
    pub fn forget(&self, organization_id: i64) {
        self.change_ring(|ring| {
            ring.organizations.remove(&organization_id);
        });
    }

    /// Replaces all keys for path infos by those that `read` reads; they stay where that fails.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn reload<E>(&self, read: impl Future<Output = Result<KeyRing, E>>) -> Result<(), E> {
        let _one_at_a_time = self.replacing.lock().await;
        let mut read = read.await?;
        self.change_ring(|ring| {
            // What a transaction has learnt meanwhile was not there yet to be read.
            read.own.extend(ring.own.drain());
            *ring = read;
        });
        Ok(())
    }

    /// The key that signs tokens.
    pub fn token(&self) -> &TokenKey {
        &self.token
    }

    /// The audience of the server's tokens, `urn:fh:<server id>`.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Whether a token says that the server has signed it, which it may not have.
    pub fn is_own_token(&self, token: &str) -> bool {
        fh_auth::read_unverified(token).is_ok_and(|claims| claims.aud == self.audience)
            && fh_auth::identity::Unverified::read(token)
                .is_ok_and(|token| token.key_id() == Some(self.token.id()))
    }

    /// Whether a public key is the server's or an organisation's, or was, whatever name it is given here.
    pub fn is_own(&self, key: &PublicKey) -> bool {
        let ring = self.ring();
        ring.own.iter().any(|own| own.as_bytes() == key.as_bytes())
    }

    /// The public keys for nix.conf that everybody may trust, active first: none where each organisation
    /// has its own.
    pub fn public(&self) -> Vec<SigningKeyInfo> {
        match self.mode {
            Signing::Shared => self.signing().public(),
            Signing::PerOrganization => Vec::new(),
        }
    }
}

fn narinfo_key<'a>(
    stored: impl IntoIterator<Item = &'a StoredKey>,
    state: KeyState,
    what: &'static str,
) -> Result<SecretKey, KeyError> {
    let stored = stored
        .into_iter()
        .filter(|key| key.state == state)
        .last()
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
pub fn public_half(stored: &StoredKey) -> Result<PublicKey, KeyError> {
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
    let unusable = |source: Cause| KeyError::Unusable {
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
pub fn token_secret(seed: &Zeroizing<[u8; 32]>) -> Zeroizing<String> {
    Zeroizing::new(BASE64.encode(seed.as_slice()))
}
