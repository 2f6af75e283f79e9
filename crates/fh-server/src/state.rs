//! What every handler can reach.

use std::sync::Arc;

use fh_nix::StoreDir;

use crate::access::Access;
use crate::config::Settings;
use crate::database::Database;
use crate::keys::Keys;
use crate::storage::FileStorage;

/// The running server's parts. Clones share them.
#[derive(Clone)]
pub(crate) struct AppState {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    public_url: String,
    store_dir: StoreDir,
    database: Database,
    storage: FileStorage,
    keys: Arc<Keys>,
    access: Access,
}

/// What a state is put together from.
pub(crate) struct Parts {
    /// Resolved and validated.
    pub(crate) settings: Settings,
    /// What the server is known by, without a final slash.
    pub(crate) public_url: String,
    /// The store directory of the paths served.
    pub(crate) store_dir: StoreDir,
    /// Open, with the schema of this version.
    pub(crate) database: Database,
    /// Open.
    pub(crate) storage: FileStorage,
    /// As the database has them.
    pub(crate) keys: Keys,
}

impl AppState {
    /// Puts a state together.
    pub(crate) fn new(parts: Parts) -> Self {
        let keys = Arc::new(parts.keys);
        let access = Access::new(parts.database.clone(), Arc::clone(&keys));
        Self {
            shared: Arc::new(Shared {
                settings: parts.settings,
                public_url: parts.public_url,
                store_dir: parts.store_dir,
                database: parts.database,
                storage: parts.storage,
                keys,
                access,
            }),
        }
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
        &self.shared.store_dir
    }

    /// The database.
    pub(crate) fn database(&self) -> &Database {
        &self.shared.database
    }

    /// The NARs.
    pub(crate) fn storage(&self) -> &FileStorage {
        &self.shared.storage
    }

    /// The signing keys.
    pub(crate) fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    /// Who is asking.
    pub(crate) fn access(&self) -> &Access {
        &self.shared.access
    }
}
