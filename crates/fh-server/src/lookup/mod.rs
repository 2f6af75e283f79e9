//! Who holds what: the questions of the read path, answered from memory.
//!
//! ```text
//! path hash ─▶ oldest holders (slices)   ─┐            row ─▶ signed narinfo text
//! NAR hash  ─▶ NAR and its first holders ─┼─ view ─▶ row / yes or no
//!       where these do not decide: search ┘
//! ```
//!
//! What is remembered is the same for all callers, so that a path that everybody asks for is read and
//! signed once. The view decides last, on values in memory, and nothing leaves this module but what
//! it let through.
//!
//! Invariants:
//! - an answer is never older than the last commit that was acknowledged: a commit
//!   [forgets](Lookup::forget) what it changed before it is answered;
//! - nor older than the last change of the directory: row ids and flake ids may be used again after
//!   a flake was removed, so nothing that was learnt before counts after;
//! - memory is bounded, whatever is asked for and however many slices hold a path.

mod agreed;
pub(crate) mod closures;
mod contested;
mod disputes;
mod explained;
mod holders;
mod indexed;
mod judged;
mod limited;
mod logs;
mod realisations;
mod rows;
mod search;
mod sets;
mod settled;
#[cfg(test)]
mod tests;
mod versioned;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use fh_access::keys::Keys;
use fh_access::{View, ViewIdentity};
use fh_nix::{Compression, ContentAddress, NarHash, NarInfo, PathInfo, StoreDir, StorePathHash};
use fh_persistence::database::nars::Nar;
use fh_persistence::database::slices::{self, Served};
use fh_persistence::database::{Database, DatabaseError};
use fh_sql::Read;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use self::holders::{NarHolders, PathHolders};
use self::sets::Closures;
use self::settled::{DecisionKey, SettledRow};
use self::versioned::VersionedCache;
use crate::signatures::Signatures;

/// Memory for lists of holders, in bytes, of paths and of NARs each.
const HOLDERS_MEMORY: u64 = 16 << 20;

/// Memory for narinfo texts, in bytes.
const TEXTS_MEMORY: u64 = 32 << 20;

/// What an entry costs beside its content, roughly.
const ENTRY: usize = 200;

/// How many answers are remembered that views have of what very many slices hold.
const DECISIONS: u64 = 50_000;

/// The answers in memory; clones share them.
#[derive(Clone)]
pub(crate) struct Lookup {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    keys: Arc<Keys>,
    store_dir: StoreDir,
    paths: VersionedCache<StorePathHash, PathHolders>,
    nars: VersionedCache<NarHash, Option<NarHolders>>,
    texts: VersionedCache<i64, Option<Text>>,
    /// What views have of what very many slices hold, by the serial number of the holders.
    rows: Cache<(ViewIdentity, u64), Option<i64>>,
    readable: Cache<(ViewIdentity, u64), bool>,
    /// What views have of paths about which slices disagree.
    settled: Cache<DecisionKey, Option<SettledRow>>,
    /// What views do not have, whether it is nowhere or elsewhere.
    absences: Cache<AbsenceKey, ()>,
    /// The last generation of access that something was decided for.
    decided: AtomicU64,
    next_serial: AtomicU64,
    closures: Closures,
    signatures: Signatures,
    /// Grows with whatever a slice gains or loses, or is forgotten here.
    commits: AtomicU64,
}

/// A path that a view does not have, and how many commits and changes of access there were when it was looked for:
/// which content of a contested path is served depends on what others may write.
type AbsenceKey = (ViewIdentity, StorePathHash, u64, u64);

/// What was known of an absence before it was looked for.
#[derive(Debug)]
pub(crate) struct Absence {
    key: Option<AbsenceKey>,
    /// The view does not have it.
    pub(crate) known: bool,
}

/// A narinfo as it is served, whose slice it is from, and the name of the key that signed it.
#[derive(Clone)]
struct Text {
    organization_id: i64,
    signed_by: Arc<str>,
    text: Bytes,
}

/// A narinfo that was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// As it is served.
    pub(crate) text: Bytes,
    /// Nobody had to be asked for it.
    pub(crate) remembered: bool,
}

impl Text {
    fn found(self, remembered: bool) -> Found {
        let text = self.text;
        Found { text, remembered }
    }
}

impl Lookup {
    /// A lookup that remembers nothing yet.
    pub(crate) fn new(database: Database, keys: Arc<Keys>, store_dir: StoreDir) -> Self {
        let paths = |_: &_, entry: &PathHolders| ENTRY + entry.size();
        let nars =
            |_: &_, entry: &Option<NarHolders>| ENTRY + entry.as_ref().map_or(0, NarHolders::size);
        let texts = |_: &_, entry: &Option<Text>| {
            ENTRY + entry.as_ref().map_or(0, |entry| entry.text.len())
        };
        let signed_store_dir = store_dir.clone();
        Self {
            shared: Arc::new(Shared {
                database,
                keys,
                store_dir,
                paths: VersionedCache::new(HOLDERS_MEMORY, paths),
                nars: VersionedCache::new(HOLDERS_MEMORY, nars),
                texts: VersionedCache::new(TEXTS_MEMORY, texts),
                rows: Cache::new(DECISIONS),
                readable: Cache::new(DECISIONS),
                settled: Cache::new(DECISIONS),
                // Not by frequency: of what ends with every push, nothing old is worth to be kept.
                absences: Cache::builder()
                    .max_capacity(DECISIONS)
                    .eviction_policy(EvictionPolicy::lru())
                    .build(),
                decided: AtomicU64::new(0),
                next_serial: AtomicU64::new(0),
                closures: Closures::new(),
                signatures: Signatures::new(signed_store_dir),
                commits: AtomicU64::new(0),
            }),
        }
    }

    /// The narinfo of a path as a view has it: of the slice whose word counts for most, see [`agreed`]; where
    /// slices disagree, of the ones with the content that [`fh_auth::contest`] settles on.
    /// `None` where no slice of the view holds the path.
    pub(crate) async fn narinfo(
        &self,
        view: &View,
        hash: StorePathHash,
    ) -> Result<Option<Found>, DatabaseError> {
        let shared = &self.shared;
        let row_id = if view.limits().is_some() {
            self.row(view, hash).await?
        } else if let Some(holders) = self.remembered_path(&hash) {
            self.row_of_holders(view, hash, holders, None).await?
        } else {
            match Box::pin(self.load_row_and_text(view, hash)).await? {
                (Some(_), Some(text)) => return Ok(Some(text.found(false))),
                (row_id, _) => row_id,
            }
        };
        let Some(row_id) = row_id else {
            return Ok(None);
        };
        if let Some(text) = shared.texts.get(&shared.database, &row_id)
            && text.as_ref().is_none_or(|text| shared.is_signed(text))
        {
            return Ok(text.map(|text| text.found(true)));
        }
        let text = Box::pin(self.load_text(row_id, hash)).await?;
        Ok(text.map(|text| text.found(false)))
    }

    /// What is remembered of what a view does not have. To be asked before anything else is: how long an
    /// answer takes that comes from here depends on nothing but what this very caller has asked for.
    pub(crate) fn absence(&self, view: &View, hash: StorePathHash) -> Absence {
        // Of a token for certain paths nothing is remembered.
        let key = view.limits().is_none().then(|| {
            let commits = self.shared.commits.load(Ordering::SeqCst);
            let access = self.shared.access();
            (view.identity(), hash, commits, access)
        });
        let known = key
            .as_ref()
            .is_some_and(|key| self.shared.absences.contains_key(key));
        Absence { key, known }
    }

    /// Remembers an absence that was found out. Where something was pushed since it was looked for, nobody
    /// finds it any more.
    pub(crate) fn remember_absence(&self, absence: Absence) {
        if let Some(key) = absence.key.filter(|_| !absence.known) {
            self.shared.absences.insert(key, ());
        }
    }

    /// The NAR of a path as a view has it: of the slice that [`Self::narinfo`] takes.
    pub(crate) async fn nar_of_path(
        &self,
        view: &View,
        hash: StorePathHash,
    ) -> Result<Option<Nar>, DatabaseError> {
        let Some(row_id) = self.row(view, hash).await? else {
            return Ok(None);
        };
        self.shared
            .database
            .read(move |read| slices::nar_of_row(read, row_id, &hash))
            .await
    }

    /// A path as a view has it: of the slice that [`Self::narinfo`] takes.
    pub(crate) async fn path_info(
        &self,
        view: &View,
        hash: StorePathHash,
    ) -> Result<Option<PathInfo>, DatabaseError> {
        let Some(row_id) = self.row(view, hash).await? else {
            return Ok(None);
        };
        let served = self
            .shared
            .database
            .read(move |read| slices::served(read, row_id, &hash));
        Ok(served.await?.map(|served| served.info))
    }

    /// Whether a view has a path.
    pub(crate) async fn holds(
        &self,
        view: &View,
        hash: StorePathHash,
    ) -> Result<bool, DatabaseError> {
        Ok(self.row(view, hash).await?.is_some())
    }

    /// The row of a path that a view has.
    async fn row(&self, view: &View, hash: StorePathHash) -> Result<Option<i64>, DatabaseError> {
        match view.limits() {
            None => self.row_of_view(view, hash).await,
            Some(limits) => Box::pin(self.limited_row(view, &limits, hash)).await,
        }
    }

    /// Signatures that were verified.
    pub(crate) fn signatures(&self) -> &Signatures {
        &self.shared.signatures
    }

    /// A NAR, if a slice of the view holds it, and its content is not lost.
    pub(crate) async fn nar(
        &self,
        view: &View,
        nar_hash: NarHash,
    ) -> Result<Option<Nar>, DatabaseError> {
        if let Some(limits) = view.limits() {
            return Box::pin(self.limited_nar(view, &limits, nar_hash)).await;
        }
        let nar = self.nar_of_view(view, nar_hash).await?;
        let Some(nar) = nar.filter(|nar| !nar.damaged) else {
            return Ok(None);
        };
        let has = !nar.contested || Box::pin(self.contested_nar(view, nar)).await?;
        Ok(has.then_some(nar))
    }

    /// Forgets what was known of these paths and NARs. A commit calls this when its transaction is
    /// on disk, and answers afterwards.
    pub(crate) fn forget<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a StorePathHash>,
        nars: impl IntoIterator<Item = &'a NarHash>,
    ) {
        self.shared.forgetting(|shared| {
            paths.into_iter().for_each(|hash| shared.paths.forget(hash));
            nars.into_iter().for_each(|hash| shared.nars.forget(hash));
        });
    }

    /// Forgets what was known of a NAR whose object was lost or replaced: which paths are offered, and
    /// its size in their narinfos.
    pub(crate) fn forget_object(&self, nar_hash: &NarHash) {
        self.shared.forgetting(|shared| {
            shared.nars.forget(nar_hash);
            // Which paths have it is not known here; and this hardly ever happens.
            shared.paths.forget_all();
            shared.texts.forget_all();
        });
    }

    /// Forgets everything: somebody else has written to the database.
    pub(crate) fn forget_all(&self) {
        self.shared.forgetting(|shared| {
            shared.nars.forget_all();
            shared.paths.forget_all();
            shared.texts.forget_all();
        });
    }

    /// The row of a path that is not remembered, and its narinfo, in one question.
    async fn load_row_and_text(
        &self,
        view: &View,
        hash: StorePathHash,
    ) -> Result<(Option<i64>, Option<Text>), DatabaseError> {
        let shared = Arc::clone(&self.shared);
        let since = shared.texts.since(&shared.database);
        let render = move |read: &Read, row_id| match row_id {
            Some(row_id) => shared.text(read, row_id, &hash),
            None => Ok(None),
        };
        let (row_id, text) = self.load_row_with(view, hash, render).await?;
        if let (Some(row_id), Some(text)) = (row_id, &text) {
            let texts = &self.shared.texts;
            texts.remember(since, row_id, Some(text.clone()));
        }
        Ok((row_id, text))
    }

    async fn load_text(
        &self,
        row_id: i64,
        hash: StorePathHash,
    ) -> Result<Option<Text>, DatabaseError> {
        let shared = Arc::clone(&self.shared);
        self.shared
            .texts
            .load(&self.shared.database, row_id, move |read| {
                shared.text(read, row_id, &hash)
            })
            .await
    }
}

impl Shared {
    /// The present generation of access. With a new one, what was decided for views of the former ones goes at once:
    /// hardly any of it is ever asked for again.
    fn access(&self) -> u64 {
        let access = self.database.generation().access;
        if self.decided.load(Ordering::Relaxed) < access
            && self.decided.fetch_max(access, Ordering::Relaxed) < access
        {
            self.rows.invalidate_all();
            self.readable.invalidate_all();
            self.settled.invalidate_all();
            self.absences.invalidate_all();
        }
        access
    }

    /// Forgets what a change concerns, and then ends the absences that were remembered until now. Not before: one
    /// that comes from what is about to be forgotten would be remembered as one of the time after the change.
    fn forgetting(&self, forget: impl FnOnce(&Self)) {
        forget(self);
        self.commits.fetch_add(1, Ordering::SeqCst);
    }

    fn serial(&self) -> u64 {
        self.next_serial.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether a text is signed by the key that signs now what its organisation serves.
    fn is_signed(&self, text: &Text) -> bool {
        let signing = self.keys.signing_of(text.organization_id);
        signing.is_some_and(|signing| *text.signed_by == *signing.active().name())
    }

    /// The narinfo of a row; none where its content was lost.
    fn text(
        &self,
        read: &Read,
        row_id: i64,
        hash: &StorePathHash,
    ) -> Result<Option<Text>, DatabaseError> {
        let served = slices::served(read, row_id, hash)?;
        served.map(|served| self.render(read, served)).transpose()
    }

    /// Signs a path info and writes its narinfo. Signatures that came with the push follow ours.
    fn render(&self, read: &Read, served: Served) -> Result<Text, DatabaseError> {
        let Served {
            mut info,
            organization_id,
            file_size,
        } = served;
        let signing = self.keys.find_signing_of(read, organization_id)?;
        let key = signing.active();
        // Of the time before they were checked when a path came.
        let misleads = |ca: &ContentAddress| !ca.fits(&info, &self.store_dir);
        if info.ca.as_ref().is_some_and(misleads) {
            info.ca = None;
        }
        let ours = info.sign(&self.store_dir, key);
        info.signatures.retain(|kept| kept.key_name() != key.name());
        info.signatures.insert(0, ours);
        let url = nar_url(&info.nar_hash);
        let narinfo = NarInfo {
            info,
            url,
            compression: Compression::Zstd,
            // Nix does not look at it: the NAR hash is the check.
            file_hash: None,
            file_size: Some(file_size),
        };
        Ok(Text {
            organization_id,
            signed_by: key.name().into(),
            text: narinfo.to_text(&self.store_dir).into(),
        })
    }
}

/// Where a NAR is, relative to the root of the cache.
pub(crate) fn nar_url(nar_hash: &NarHash) -> String {
    format!("nar/{}{NAR_SUFFIX}", nar_hash.to_base32())
}

/// What the file name of a NAR ends with.
pub(crate) const NAR_SUFFIX: &str = ".nar.zst";
