//! What atticd reads (`attic/src/api/v1/`, `attic/src/cache.rs`, `attic/src/hash/mod.rs`,
//! `attic/src/nix_store/mod.rs`), with the checks that its types make, and how it writes a narinfo.

use std::fmt::Write as _;

use fh_nix::{NarHash, SecretKey};
use serde::{Deserialize, Deserializer, de::Error as _};

/// `UploadPathNarInfo`: what has no default has to be there.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NarInfo {
    #[serde(deserialize_with = "cache_name")]
    pub(super) cache: String,
    #[serde(deserialize_with = "hash_part")]
    pub(super) store_path_hash: String,
    pub(super) store_path: String,
    pub(super) references: Vec<String>,
    #[serde(rename = "system")]
    _system: Option<String>,
    deriver: Option<String>,
    #[serde(rename = "sigs")]
    _sigs: Vec<String>,
    ca: Option<String>,
    #[serde(deserialize_with = "typed_hash")]
    pub(super) nar_hash: String,
    pub(super) nar_size: usize,
}

impl NarInfo {
    /// The narinfo that is served of it (`server/src/database/entity/object.rs`,
    /// `server/src/narinfo/mod.rs`): signed with the cache's key alone, whatever signatures came.
    pub(super) fn to_narinfo(&self, store_dir: &str, key: &SecretKey) -> String {
        let hash: NarHash = self.nar_hash.parse().unwrap_or(NarHash::of(b""));
        let mut references = self.references.clone();
        references.sort_unstable();
        let in_full: Vec<String> = references
            .iter()
            .map(|reference| format!("{store_dir}/{reference}"))
            .collect();
        let fingerprint = format!(
            "1;{};{hash};{};{}",
            self.store_path,
            self.nar_size,
            in_full.join(",")
        );
        let mut text = format!(
            "StorePath: {}\nURL: nar/{}.nar\nCompression: none\nNarHash: {hash}\nNarSize: {}\n\
             References: {}\n",
            self.store_path,
            self.store_path_hash,
            self.nar_size,
            references.join(" ")
        );
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name}: {value}");
        };
        if let Some(deriver) = &self.deriver {
            line("Deriver", deriver);
        }
        line("Sig", &key.sign(fingerprint.as_bytes()).to_string());
        if let Some(ca) = &self.ca {
            line("CA", ca);
        }
        text
    }
}

/// `GetMissingPathsRequest`: the paths that a client would send.
#[derive(Debug, Deserialize)]
pub(super) struct MissingPaths {
    #[serde(deserialize_with = "cache_name")]
    pub(super) cache: String,
    pub(super) store_path_hashes: Vec<HashPart>,
}

/// One of its hashes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct HashPart(#[serde(deserialize_with = "hash_part")] pub(super) String);

/// A cache's name in a path.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct CacheName(#[serde(deserialize_with = "cache_name")] pub(super) String);

/// `CACHE_NAME_REGEX`; and two UUIDs, which are what FlakeHub's caches are called by.
fn cache_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+".contains(&byte);
    let attic = (1..=50).contains(&name.len())
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && name.bytes().all(word);
    let uuid = |part: &str| part.len() == 36 && part.bytes().filter(|b| *b == b'-').count() == 4;
    let flakehub = name
        .split_once(':')
        .is_some_and(|(organization, project)| uuid(organization) && uuid(project));
    if attic || flakehub {
        Ok(name)
    } else {
        Err(D::Error::custom(format!("Invalid cache name \"{name}\"")))
    }
}

/// `STORE_PATH_HASH_REGEX`: 32 digits of Nix's base32.
fn hash_part<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let hash = String::deserialize(deserializer)?;
    let alphabet = b"0123456789abcdfghijklmnpqrsvwxyz";
    if hash.len() == 32 && hash.bytes().all(|byte| alphabet.contains(&byte)) {
        Ok(hash)
    } else {
        Err(D::Error::custom("Hash is of invalid format"))
    }
}

/// `Hash::from_typed`: `sha256:` and 64 hexadecimal digits or 52 of Nix's base 32. Kept as the former.
fn typed_hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text
        .strip_prefix("sha256:")
        .ok_or_else(|| D::Error::custom("Hash algorithm is not supported"))?;
    if digits.len() != 64 && digits.len() != 52 {
        return Err(D::Error::custom("Invalid length for SHA-256 string"));
    }
    let hash: NarHash = text.parse().map_err(D::Error::custom)?;
    Ok(format!("sha256:{}", hash.to_hex()))
}
