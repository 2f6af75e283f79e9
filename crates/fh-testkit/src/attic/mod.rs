//! A model of atticd: a server that takes and answers exactly what atticd's source says it does, for
//! machines on which no real one can be had.
//!
//! Written after zhaofengli/attic (`server/src`, `attic/src`, `token/src`): each rule names the file
//! that it stands for. What it leaves out: chunking, compression and garbage collection, none of
//! which a client can see. Where a real atticd is lenient the model is too; where it checks, the
//! model checks the same, and keeps NARs on disk so that real Nix can read them back.
//!
//! It also plays the parts of FlakeHub that a push needs: `/project/{org}/{project}` and caches named
//! by two UUIDs.

mod access;
mod error;
mod routes;
mod seen;
mod shared;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use fh_nix::SecretKey;
use serde_json::json;
use tokio::runtime::Runtime;

pub use seen::{Described, Seen};
pub use shared::{CacheSettings, Fault, ModelSettings};

use shared::{Cache, Shared};

/// A running model, on an ephemeral port of loopback; stopped on drop.
#[derive(Debug)]
pub struct AtticModel {
    url: String,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl AtticModel {
    /// Starts one.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(settings: ModelSettings) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let directory = tempfile::Builder::new().prefix("fh-attic-").tempdir()?;
        let shared = Arc::new(Shared {
            secret: format!("secret of {}", directory.path().display()).into_bytes(),
            settings,
            directory,
            state: Mutex::default(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = routes::router(Arc::clone(&shared));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, router).await
        });
        Ok(Self {
            url,
            shared,
            runtime: Some(runtime),
        })
    }

    /// Its address, without a final slash.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes a cache. Its public key, as nix.conf wants it, is given back.
    ///
    /// # Errors
    /// When no key can be made of the name.
    pub fn create_cache(&self, name: &str, settings: CacheSettings) -> Result<String> {
        // A UUID pair cannot name a key.
        let key = SecretKey::generate(&name.replace(':', "-")).context("no key")?;
        let public = key.public().to_string();
        let cache = Cache {
            settings,
            key,
            objects: BTreeMap::new(),
        };
        self.shared.state().caches.insert(name.to_owned(), cache);
        Ok(public)
    }

    /// A token with these permissions, such as `("team-*", "rw")`, for a subject, good for an hour.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token(&self, grants: &[(&str, &str)]) -> Result<String> {
        self.token_until(grants, 3600)
    }

    /// A token that ends so many seconds from now, or has ended.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token_until(&self, grants: &[(&str, &str)], seconds: i64) -> Result<String> {
        let caches: BTreeMap<&str, BTreeMap<String, u8>> = grants
            .iter()
            .map(|(pattern, permissions)| {
                let permissions = permissions.chars().map(|p| (p.to_string(), 1)).collect();
                (*pattern, permissions)
            })
            .collect();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let end = i64::try_from(now.as_secs())? + seconds;
        let claims = json!({ "sub": "tester", "exp": end, access::CLAIM: { "caches": caches } });
        Ok(access::sign(&self.shared.secret, &claims)?)
    }

    /// The requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// The full store paths that a cache has, sorted.
    #[must_use]
    pub fn paths_in(&self, cache: &str) -> Vec<String> {
        let state = self.shared.state();
        let mut paths: Vec<String> = state
            .caches
            .get(cache)
            .into_iter()
            .flat_map(|cache| cache.objects.values())
            .map(|object| object.store_path.clone())
            .collect();
        paths.sort_unstable();
        paths
    }

    /// The most uploads that were under way at once.
    #[must_use]
    pub fn most_uploading(&self) -> usize {
        self.shared.state().most_uploading
    }
}

/// A secret key of this name, as `nix store sign` reads it.
///
/// # Errors
/// When the name cannot name a key.
pub fn new_key(name: &str) -> Result<String> {
    Ok(SecretKey::generate(name)?.to_secret_string().to_string())
}

impl Drop for AtticModel {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
