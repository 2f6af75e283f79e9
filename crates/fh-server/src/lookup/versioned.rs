//! A bounded memory of answers of the database that never outlive a change.
//!
//! The difficulty is the answer that was read before a change and is remembered after it. So each
//! key belongs to one of a few *stripes*, whose version grows when one of its keys is forgotten: what
//! was read under another version than the present one is answered, but not remembered. And each
//! entry carries the generation of the directory before it was read, and is not answered under
//! another one. Of an answer that was found beside another, whose key was not known before, any
//! forgetting since then counts.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use fh_persistence::database::{Database, DatabaseError};
use fh_sql::Read;
use moka::sync::Cache;
use parking_lot::{Mutex, MutexGuard};

/// So many that unrelated keys hardly meet.
const STRIPES: usize = 64;

pub(super) struct VersionedCache<K, V> {
    entries: Cache<K, Entry<V>>,
    hasher: RandomState,
    versions: [Mutex<u64>; STRIPES],
    /// How often anything was forgotten; moved while the stripe is locked.
    forgotten: AtomicU64,
}

/// The state of what an answer is found beside, before it is asked for.
#[derive(Clone, Copy)]
pub(super) struct Since {
    directory: u64,
    forgotten: u64,
}

#[derive(Clone)]
struct Entry<V> {
    directory: u64,
    value: V,
}

impl<K, V> VersionedCache<K, V>
where
    K: Hash + Eq + Copy + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Remembers entries up to a total weight.
    pub(super) fn new(
        capacity: u64,
        weigh: impl Fn(&K, &V) -> usize + Send + Sync + 'static,
    ) -> Self {
        let weigher = move |key: &K, entry: &Entry<V>| {
            u32::try_from(weigh(key, &entry.value)).unwrap_or(u32::MAX)
        };
        Self {
            entries: Cache::builder()
                .max_capacity(capacity)
                .weigher(weigher)
                .build(),
            hasher: RandomState::new(),
            versions: [const { Mutex::new(0) }; STRIPES],
            forgotten: AtomicU64::new(0),
        }
    }

    /// What is remembered, if it still holds.
    pub(super) fn get(&self, database: &Database, key: &K) -> Option<V> {
        let entry = self.entries.get(key)?;
        (entry.directory == database.generation().directory).then_some(entry.value)
    }

    /// Asks the database, and remembers the answer unless something changed meanwhile.
    pub(super) async fn load(
        &self,
        database: &Database,
        key: K,
        ask: impl FnOnce(&Read) -> Result<V, DatabaseError> + Send + 'static,
    ) -> Result<V, DatabaseError> {
        let ask = |read: &_| Ok((ask(read)?, ()));
        let (value, ()) = self.load_with(database, key, ask).await?;
        Ok(value)
    }

    /// As [`Self::load`], and answers something beside that was asked for at the same instant, which is
    /// not remembered.
    pub(super) async fn load_with<B: Send + 'static>(
        &self,
        database: &Database,
        key: K,
        ask: impl FnOnce(&Read) -> Result<(V, B), DatabaseError> + Send + 'static,
    ) -> Result<(V, B), DatabaseError> {
        let directory = database.generation().directory;
        let version = *self.version(&key);
        let (value, beside) = database.read(ask).await?;
        let now = self.version(&key);
        if *now == version {
            let value = value.clone();
            self.entries.insert(key, Entry { directory, value });
        }
        drop(now);
        Ok((value, beside))
    }

    /// To be asked before the database is, for [`Self::remember`].
    pub(super) fn since(&self, database: &Database) -> Since {
        Since {
            directory: database.generation().directory,
            forgotten: self.forgotten.load(Ordering::SeqCst),
        }
    }

    /// Remembers an answer that was found beside another one, unless something changed meanwhile.
    pub(super) fn remember(&self, since: Since, key: K, value: V) {
        let version = self.version(&key);
        if self.forgotten.load(Ordering::SeqCst) == since.forgotten {
            let directory = since.directory;
            self.entries.insert(key, Entry { directory, value });
        }
        drop(version);
    }

    /// Forgets an answer, also one that is being asked for right now.
    pub(super) fn forget(&self, key: &K) {
        let mut version = self.version(key);
        *version += 1;
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate(key);
    }

    /// Forgets all answers, also those that are being asked for right now.
    pub(super) fn forget_all(&self) {
        let versions = self.versions.iter().map(Mutex::lock);
        let locked: Vec<_> = versions
            .map(|mut version| {
                *version += 1;
                version
            })
            .collect();
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate_all();
        drop(locked);
    }

    fn version(&self, key: &K) -> MutexGuard<'_, u64> {
        let hash = self.hasher.hash_one(key);
        // The remainder is smaller than the number of stripes, which fits.
        self.versions[(hash % STRIPES as u64) as usize].lock()
    }
}
