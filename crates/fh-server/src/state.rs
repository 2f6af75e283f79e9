//! What every handler can reach.

use std::sync::Arc;

use fh_access::Access;
use fh_access::denials::Denials;
use fh_access::keys::{KeyRing, Keys};
use fh_access::limits::Limiter;
use fh_access::workload::Workloads;
use fh_api::with_causes;
use fh_nix::StoreDir;
use fh_persistence::database::{Database, DatabaseError};
use fh_persistence::storage::FileStorage;
use fh_persistence::tenure::Tenure;
use fh_settings::Settings;
use tokio_util::sync::CancellationToken;

use crate::collect::Stock;
use crate::integrity::Integrity;
use crate::listing::Listings;
use crate::lookup::Lookup;
use crate::push::Pushes;
use crate::receive::Backend;
use crate::server_error::ServerError;
use crate::telemetry::Metrics;

/// The running server's parts. Clones share them.
#[derive(Clone)]
pub(crate) struct AppState {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    public_url: String,
    database: Database,
    storage: FileStorage,
    keys: Arc<Keys>,
    limiter: Arc<Limiter>,
    denials: Denials,
    stopping: CancellationToken,
    access: Access,
    workloads: Arc<Workloads>,
    lookup: Lookup,
    listings: Listings,
    integrity: Integrity,
    pushes: Pushes,
    metrics: Metrics,
    probing: Arc<tokio::sync::Mutex<()>>,
    /// The last field: dropped when nothing uses the data directory any more.
    tenure: Tenure,
}

/// What a state is put together from.
pub(crate) struct Parts {
    /// Resolved and validated.
    pub(crate) settings: Settings,
    /// What the server is known by, without a final slash.
    pub(crate) public_url: String,
    /// Open, with the schema of this version.
    pub(crate) database: Database,
    /// Open.
    pub(crate) storage: FileStorage,
    /// As the database has them.
    pub(crate) keys: Keys,
    /// Counts what the server does.
    pub(crate) metrics: Metrics,
    /// Held as long as any part of the state is.
    pub(crate) tenure: Tenure,
}

impl AppState {
    /// Puts a state together.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub(crate) fn new(parts: Parts) -> Result<Self, ServerError> {
        let keys = Arc::new(parts.keys);
        let limiter = Arc::new(Limiter::new(&parts.settings.limits));
        let workloads = Workloads::new(
            parts.database.clone(),
            keys.audience(),
            &parts.public_url,
            &parts.settings.workloads,
        );
        let workloads = Arc::new(workloads.map_err(|error| ServerError::Keys(error.into()))?);
        let access = Access::new(
            parts.database.clone(),
            Arc::clone(&keys),
            Arc::clone(&limiter),
            Arc::clone(&workloads),
        );
        let denials = Denials::new(parts.database.clone());
        let lookup = Lookup::new(
            parts.database.clone(),
            Arc::clone(&keys),
            parts.settings.store_dir.clone(),
        );
        let backend = Backend {
            storage: parts.storage.clone(),
            database: parts.database.clone(),
            lookup: lookup.clone(),
            metrics: parts.metrics.clone(),
            tenure: parts.tenure.clone(),
        };
        let integrity = Integrity::new(backend.clone());
        let pushes = Pushes::new(&parts.settings, backend);
        // Half of the processors stay with those who want something else.
        let listings = Listings::new(
            parts.storage.clone(),
            parts.metrics.clone(),
            integrity.clone(),
            parts.settings.limits.verifications / 2,
        );
        Ok(Self {
            shared: Arc::new(Shared {
                settings: parts.settings,
                public_url: parts.public_url,
                database: parts.database,
                storage: parts.storage,
                keys,
                limiter,
                denials,
                stopping: CancellationToken::new(),
                access,
                workloads,
                lookup,
                listings,
                integrity,
                pushes,
                metrics: parts.metrics,
                probing: Arc::default(),
                tenure: parts.tenure,
            }),
        })
    }

    /// What the server was told.
    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// What the server is known by, without a final slash.
    pub(crate) fn public_url(&self) -> &str {
        &self.shared.public_url
    }

    /// The store directory of the paths served.
    pub(crate) fn store_dir(&self) -> &StoreDir {
        &self.shared.settings.store_dir
    }

    /// The database.
    pub(crate) fn database(&self) -> &Database {
        &self.shared.database
    }

    /// What the process has of the data directory.
    pub(crate) fn tenure(&self) -> &Tenure {
        &self.shared.tenure
    }

    /// The NARs.
    pub(crate) fn storage(&self) -> &FileStorage {
        &self.shared.storage
    }

    /// Held while it is tried whether the storage takes data.
    pub(crate) fn probing(&self) -> &Arc<tokio::sync::Mutex<()>> {
        &self.shared.probing
    }

    /// The signing keys.
    pub(crate) fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    /// Who holds what.
    pub(crate) fn lookup(&self) -> &Lookup {
        &self.shared.lookup
    }

    /// What is in the NARs.
    pub(crate) fn listings(&self) -> &Listings {
        &self.shared.listings
    }

    /// That what is served is what was stored.
    pub(crate) fn integrity(&self) -> &Integrity {
        &self.shared.integrity
    }

    /// The pushes.
    pub(crate) fn pushes(&self) -> &Pushes {
        &self.shared.pushes
    }

    /// What is collected now and then.
    pub(crate) fn stock(&self) -> Stock<'_> {
        Stock {
            database: self.database(),
            storage: self.storage(),
            receiving: self.pushes().receiving(),
            lookup: self.lookup(),
            tenure: self.tenure(),
            upload_lifetime: self.settings().upload_lifetime,
        }
    }

    /// The counters.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Reads the keys for path infos anew: another process has written to the database.
    ///
    /// # Errors
    /// When they cannot be read; then the former ones stay.
    pub(crate) async fn reload_keys(&self) -> Result<(), ServerError> {
        let read = async {
            self.database()
                .read(|read| Ok(KeyRing::load(read)))
                .await?
                .map_err(|error| ServerError::Keys(error.into()))
        };
        self.keys().reload(read).await
    }

    /// Reads anew what is remembered, if another process has written.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub(crate) async fn notice_others(&self) -> Result<(), DatabaseError> {
        if self.database().notice_others().await?
            && let Err(error) = self.reload_keys().await
        {
            tracing::error!(error = %with_causes(&error), "cannot read the signing keys again");
        }
        Ok(())
    }

    /// How much callers may ask.
    pub(crate) fn limiter(&self) -> &Limiter {
        &self.shared.limiter
    }

    /// What was refused.
    pub(crate) fn denials(&self) -> &Denials {
        &self.shared.denials
    }

    /// Cancelled when the server begins to stop: who waits for something that may not come, ends then.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.shared.stopping
    }

    /// Who is let in by another's word.
    pub(crate) fn workloads(&self) -> &Workloads {
        &self.shared.workloads
    }

    /// Who is asking.
    pub(crate) fn access(&self) -> &Access {
        &self.shared.access
    }
}
