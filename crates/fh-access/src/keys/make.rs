//! Making keys for path infos: a pair for each owner, and their rotation.

use fh_nix::SecretKey;
use fh_persistence::database::keys::{self, KeyOwner, KeyState, Purpose};
use fh_persistence::database::{organizations, settings};
use fh_settings::Settings;
use fh_sql::{Read, Tx};

use super::{KeyError, SigningKeys};

/// What the names of new keys begin with.
#[derive(Debug, Clone)]
pub struct KeyNames {
    chosen: Option<String>,
    host: String,
}

impl KeyNames {
    /// As the operator wants them; `host` is the public address's.
    pub fn new(chosen: Option<&str>, host: &str) -> Self {
        Self {
            chosen: chosen.map(str::to_owned),
            host: host.to_owned(),
        }
    }

    /// Those of a server with these settings, which know the public address.
    pub fn of(settings: &Settings) -> Self {
        let url = settings.public_url.as_ref();
        Self::new(
            settings.signing_key_name.as_deref(),
            url.map_or("", |url| url.host()),
        )
    }

    /// What stands in front of the number: `cache.example.org` for the server, `cache.example.org/acme`
    /// for an organisation. No host has a slash, so that no organisation takes the name of a key of
    /// another server: Nix keeps one key a name.
    fn base(&self, read: &Read, owner: KeyOwner) -> Result<String, KeyError> {
        let base = match &self.chosen {
            Some(name) => name.clone(),
            None => {
                let id = settings::get(read, settings::SERVER_ID)?;
                default_key_name(&self.host, &id.unwrap_or_default())
            }
        };
        let KeyOwner::Organization(id) = owner else {
            return Ok(base);
        };
        let organization =
            organizations::get(read, id)?.ok_or(KeyError::Missing("such organisation"))?;
        Ok(format!("{base}/{}", organization.name.folded()))
    }
}

/// The host's name; where that names no server in particular (an address, `localhost`), a name of
/// this server alone: Nix keeps one key a name, and two servers on loopback must not share one.
fn default_key_name(host: &str, server_id: &str) -> String {
    let particular = host.contains('.')
        && host.parse::<std::net::IpAddr>().is_err()
        && !host.ends_with(".localhost");
    if particular {
        return host.to_owned();
    }
    let tail = server_id.rsplit('-').next().unwrap_or(server_id);
    format!("fh-{tail}")
}

/// Makes the keys of an owner that has none: whether it had none.
pub fn ensure(tx: &Tx<'_>, owner: KeyOwner, names: &KeyNames) -> Result<bool, KeyError> {
    if !keys::list_of(tx, owner)?.is_empty() {
        return Ok(false);
    }
    for state in [KeyState::Active, KeyState::Standby] {
        make(tx, owner, names, state)?;
    }
    Ok(true)
}

/// Makes the keys of every organisation that has none: how many had none.
pub fn ensure_for_organizations(tx: &Tx<'_>, names: &KeyNames) -> Result<usize, KeyError> {
    let mut made = 0;
    for organization in organizations::list(tx)? {
        let owner = KeyOwner::Organization(organization.id);
        made += usize::from(ensure(tx, owner, names)?);
    }
    Ok(made)
}

/// Rotates the keys of an owner: the standby signs from now on, the active one retires, and a new
/// standby is made. What there is afterwards.
pub fn rotate(tx: &Tx<'_>, owner: KeyOwner, names: &KeyNames) -> Result<SigningKeys, KeyError> {
    let before = SigningKeys::load(tx, owner)?;
    keys::promote(
        tx,
        before.active().name(),
        &before.active().public().to_string(),
        before.standby().name(),
    )?;
    make(tx, owner, names, KeyState::Standby)?;
    SigningKeys::load(tx, owner)
}

fn make(tx: &Tx<'_>, owner: KeyOwner, names: &KeyNames, state: KeyState) -> Result<(), KeyError> {
    let base = names.base(tx, owner)?;
    let own = keys::list_of(tx, owner)?.into_iter().map(|key| key.name);
    let number = next_number(own.chain(keys::names_with_number(tx, &base)?));
    let key = SecretKey::generate(&format!("{base}-{number}"))
        .map_err(|error| KeyError::Make(error.into()))?;
    let secret = key.to_secret_string();
    keys::insert(tx, Purpose::NarInfo, owner, key.name(), &secret, state)?;
    Ok(())
}

/// The number of a new key: one more than any in these names. They are those that the owner has used, whatever stood in
/// front of the number, and those that anybody has used behind the same text: no name comes twice.
fn next_number(used: impl Iterator<Item = String>) -> u64 {
    let numbers = used.filter_map(|name| {
        let (_, number) = name.rsplit_once('-')?;
        number.parse::<u64>().ok()
    });
    numbers.max().unwrap_or(0).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_after_hosts_that_name_one_server() {
        let id = "0192f0c1-0000-7000-8000-00000000beef";
        assert_eq!(
            default_key_name("cache.example.org", id),
            "cache.example.org"
        );
        for host in ["127.0.0.1", "::1", "localhost", "fh.localhost", "cache"] {
            assert_eq!(default_key_name(host, id), "fh-00000000beef", "{host}");
        }
    }
    #[test]
    fn no_number_comes_twice() {
        for (used, number) in [
            (vec![], 1),
            (vec!["cache.example.org-1", "cache.example.org-2"], 3),
            (vec!["other.example.org-7", "cache.example.org-2"], 8),
            (vec!["cache.example.org-x", "cache"], 1),
            (vec!["cache-18446744073709551615"], u64::MAX),
        ] {
            let used = used.into_iter().map(str::to_owned);
            assert_eq!(next_number(used), number);
        }
    }
}
