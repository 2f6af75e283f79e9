//! How the model is set up, and what its requests share: its caches, NARs and what it has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fh_nix::SecretKey;
use tempfile::TempDir;

use super::seen::Seen;
use super::wire::NarInfo;

/// How one cache of the model is.
#[derive(Debug, Clone)]
pub struct CacheSettings {
    /// Whether anybody may pull.
    pub is_public: bool,
    /// The store directory that it is for.
    pub store_dir: String,
    /// Keys whose paths clients need not send; atticd's default is the one of cache.nixos.org.
    pub upstream_cache_key_names: Vec<String>,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            is_public: false,
            store_dir: "/nix/store".to_owned(),
            upstream_cache_key_names: vec!["cache.nixos.org-1".to_owned()],
        }
    }
}

/// Says what a request is answered with instead of being carried out, if anything.
pub type Fault = Box<dyn Fn(&Seen, &[Seen]) -> Option<u16> + Send + Sync>;

/// How the model is (`server/src/config.rs`).
pub struct ModelSettings {
    /// What `api_endpoint` says; made up of the `Host` header where nothing is set.
    pub api_endpoint: Option<String>,
    /// Whether a NAR that is there already has to be sent all the same; atticd's default.
    pub require_proof_of_possession: bool,
    /// Says which requests fail, and with which status.
    pub fault: Option<Fault>,
    /// Tokens of FlakeHub: they may push to every project.
    pub flakehub_tokens: BTreeSet<String>,
    /// Projects of FlakeHub, `org/project`, and the UUIDs of both.
    pub projects: BTreeMap<String, (String, String)>,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            api_endpoint: None,
            require_proof_of_possession: true,
            fault: None,
            flakehub_tokens: BTreeSet::new(),
            projects: BTreeMap::new(),
        }
    }
}

impl std::fmt::Debug for ModelSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelSettings")
            .field("api_endpoint", &self.api_endpoint)
            .finish_non_exhaustive()
    }
}

/// What all requests share.
pub(super) struct Shared {
    pub(super) settings: ModelSettings,
    /// The HS256 secret of its tokens.
    pub(super) secret: Vec<u8>,
    pub(super) directory: TempDir,
    pub(super) state: Mutex<State>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[derive(Default)]
pub(super) struct State {
    pub(super) caches: BTreeMap<String, Cache>,
    /// Bytes of the NARs that are stored, by `sha256:<hex>`: one for all caches.
    pub(super) nars: BTreeMap<String, u64>,
    pub(super) seen: Vec<Seen>,
    pub(super) uploading: usize,
    pub(super) most_uploading: usize,
}

pub(super) struct Cache {
    pub(super) settings: CacheSettings,
    pub(super) key: SecretKey,
    /// By the hash part of the store path.
    pub(super) objects: BTreeMap<String, NarInfo>,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a NAR is, or will be.
    pub(super) fn nar_file(&self, hash: &str) -> PathBuf {
        self.directory.path().join(hash.replace(':', "-"))
    }
}
