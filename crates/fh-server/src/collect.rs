//! Collecting what nobody needs any more: at the start, and then now and again.
//!
//! | what | when | how |
//! |---|---|---|
//! | pushes | they expired | row |
//! | proofs of possession | older than an upload is kept | row |
//! | tokens | they ended a month ago, and asked for none that is left | row |
//! | sets of paths of tokens | no token has them | row |
//! | exchanged identities and nonces | they ended by themselves | row |
//! | realisations | their slices neither hold their paths nor have left them out | row |
//! | rows of NARs | no slice and no proof refers to them | row, then file |
//! | files of objects | they have no row and are older than an hour | file |
//! | received parts | nobody added to them for as long as an upload is kept | file |
//!
//! What is too old is decided once, on values ([`Ages`]). Whether something is still referred to is asked in the statement
//! that removes it: what was decided before could be out of date.
//!
//! Invariants:
//! - the listing of a NAR goes with its file;
//! - a file goes after its row: a crash in between leaves a file without a row, which a later
//!   collection finds; never a row without a file;
//! - whatever removes an object holds the [turn](crate::receive::Publisher::turn) and looks at the
//!   row while it does: a push that brings the same NAR at the same moment comes before or after;
//! - the turn is given back after a few objects, and before their room is freed, which takes the time that the file
//!   system needs for large ones: so pushes hardly wait.

use std::collections::HashMap;
use std::time::Duration;

use fh_access::ApiError;
use fh_nix::NarHash;
use fh_persistence::database::nars::{self, Nar};
use fh_persistence::database::{
    Database, DatabaseError, Decided, Timestamp, assertions, now, path_sets, pushes, realisations,
    tokens,
};
use fh_persistence::storage::{FileStorage, StagedFile, StorageError};
use fh_persistence::tenure::Tenure;

use crate::lookup::Lookup;
use crate::receive::{Receiving, Turn};

/// Objects without a row that are younger than this may be about to get one: publishing takes
/// seconds, and clocks jump by minutes.
pub(crate) const ORPHAN_AGE: Duration = Duration::from_secs(3600);

/// An upload in parts that stood still for so long is not remembered: whoever goes on with it has its
/// file read again.
const IDLE_UPLOAD: Duration = Duration::from_secs(3600);

/// Rows that are examined in one statement.
const EXAMINED: u32 = 5000;

/// Objects that are removed in one turn.
const REMOVED: usize = 100;

/// How long the row of a token is kept after its end, for whoever asks what became of it.
const ENDED_TOKEN: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a collection works on.
#[derive(Clone, Copy)]
pub(crate) struct Stock<'a> {
    pub(crate) database: &'a Database,
    pub(crate) storage: &'a FileStorage,
    /// What is on its way in.
    pub(crate) receiving: &'a Receiving,
    /// What remembers rows.
    pub(crate) lookup: &'a Lookup,
    pub(crate) tenure: &'a Tenure,
    /// How long what was sent is kept for a push.
    pub(crate) upload_lifetime: Duration,
}

/// What a collection did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    /// Pushes that had expired.
    pub(crate) pushes: usize,
    /// Proofs of possession forgotten.
    pub(crate) received: usize,
    /// Rows of tokens, and of exchanged identities, removed.
    pub(crate) tokens: usize,
    /// Objects removed with their rows.
    pub(crate) nars: usize,
    /// Objects removed that had no row.
    pub(crate) orphans: usize,
    /// Files of received parts removed.
    pub(crate) partials: usize,
    /// Realisations removed whose slices do not hold their paths any more.
    pub(crate) realisations: usize,
}

/// How old something has to be to be removed, or forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ages {
    /// Proofs of possession are from before.
    received_before: Timestamp,
    /// Tokens have ended before.
    ended_before: Timestamp,
    /// Nobody has added to received parts.
    partials: Duration,
    /// Nobody has worked on an upload that is in memory.
    uploads: Duration,
    /// Objects without a row.
    orphans: Duration,
}

impl Ages {
    /// At this time, where an upload is kept for so long.
    fn at(now: Timestamp, upload_lifetime: Duration, orphans: Duration) -> Self {
        Self {
            received_before: now.minus_seconds(upload_lifetime.as_secs()),
            ended_before: now.minus_seconds(ENDED_TOKEN.as_secs()),
            partials: upload_lifetime,
            uploads: upload_lifetime.min(IDLE_UPLOAD),
            orphans,
        }
    }
}

/// Collects once; of objects without rows those of at least that age.
pub(crate) async fn collect(stock: Stock<'_>, orphan_age: Duration) -> Result<Collected, ApiError> {
    let ages = Ages::at(now(), stock.upload_lifetime, orphan_age);
    let mut collected = Collected::default();
    (collected.pushes, collected.received, collected.tokens) = stock
        .database
        .write(Decided::by_server(), move |tx| {
            let tokens = tokens::delete_ended_before(tx, ages.ended_before)?;
            path_sets::delete_unused(tx)?;
            Ok::<_, DatabaseError>((
                pushes::delete_expired(tx)?,
                nars::delete_received_before(tx, ages.received_before)?,
                assertions::delete_expired(tx)? + tokens,
            ))
        })
        .await?;
    collected.realisations = remove_realisations(stock).await?;
    collected.nars = remove_unreferenced(stock).await?;
    collected.orphans = remove_orphans(stock, ages.orphans).await?;
    stock.receiving.uploads().forget_idle(ages.uploads);
    collected.partials = remove_stale_partials(stock, ages.partials).await?;
    Ok(collected)
}

/// Removes realisations of paths that their slices neither hold nor have left out: how many.
async fn remove_realisations(stock: Stock<'_>) -> Result<usize, ApiError> {
    let mut removed = 0;
    loop {
        let database = stock.database;
        let found = database.read(|read| realisations::without_path(read, EXAMINED));
        let found = found.await?;
        if found.is_empty() {
            return Ok(removed);
        }
        removed += database
            .write(Decided::by_server(), move |tx| {
                realisations::delete_without_path(tx, &found)
            })
            .await?;
    }
}

/// Removes NARs that nothing refers to: how many.
async fn remove_unreferenced(stock: Stock<'_>) -> Result<usize, ApiError> {
    let mut removed = 0;
    let mut after = 0;
    loop {
        let (found, last) = stock
            .database
            .read(move |read| nars::unreferenced(read, after, EXAMINED))
            .await?;
        for few in found.chunks(REMOVED) {
            let few = few.to_vec();
            let turn = stock.receiving.publisher().turn().await?;
            let gone = stock
                .database
                .write(Decided::by_server(), move |tx| {
                    nars::delete_unreferenced(tx, &few)
                })
                .await?;
            removed += gone.len();
            stock.lookup.forget([], &gone);
            remove_objects(stock, gone, turn).await?;
        }
        match last {
            Some(last) => after = last,
            None => return Ok(removed),
        }
    }
}

/// Removes objects that have no row: how many.
async fn remove_orphans(stock: Stock<'_>, age: Duration) -> Result<usize, ApiError> {
    let mut removed = 0;
    let storage = stock.storage.clone();
    let directories = blocking(stock, move || storage.object_directories()).await?;
    for directory in directories {
        let storage = stock.storage.clone();
        let old = blocking(stock, move || storage.objects_older_than(&directory, age)).await?;
        let candidates = without_row(stock, old).await?;
        for few in candidates.chunks(REMOVED) {
            let turn = stock.receiving.publisher().turn().await?;
            let orphans = without_row(stock, few.to_vec()).await?;
            removed += orphans.len();
            remove_objects(stock, orphans, turn).await?;
        }
    }
    Ok(removed)
}

/// Those of these objects that have no row.
async fn without_row(stock: Stock<'_>, objects: Vec<NarHash>) -> Result<Vec<NarHash>, ApiError> {
    if objects.is_empty() {
        return Ok(objects);
    }
    let orphans = stock.database.read(move |read| {
        let rows = nars::stored(read, &objects)?;
        Ok(orphans(objects, &rows))
    });
    Ok(orphans.await?)
}

/// Decides which of these objects are nobody's: those without a row, be it of a damaged one.
fn orphans(mut objects: Vec<NarHash>, rows: &HashMap<NarHash, Nar>) -> Vec<NarHash> {
    objects.retain(|nar_hash| !rows.contains_key(nar_hash));
    objects
}

/// Removes objects within a turn, which ends when they are out of the way: nobody waits until their room is free.
async fn remove_objects(
    stock: Stock<'_>,
    objects: Vec<NarHash>,
    turn: Turn,
) -> Result<(), ApiError> {
    let storage = stock.storage.clone();
    blocking(stock, move || {
        let (aside, moved) = set_aside(&storage, &objects, turn);
        aside.into_iter().try_for_each(StagedFile::discard)?;
        moved
    })
    .await
}

/// Takes objects out of the way, which uses the turn up: the files that are still to be removed, and whether all are
/// among them.
fn set_aside(
    storage: &FileStorage,
    objects: &[NarHash],
    turn: Turn,
) -> (Vec<StagedFile>, Result<(), StorageError>) {
    let mut aside = Vec::new();
    let moved = objects.iter().try_for_each(|nar_hash| {
        aside.append(&mut storage.set_aside(nar_hash)?);
        Ok(())
    });
    drop(turn);
    (aside, moved)
}

/// Removes parts that nobody has added to for so long: of how many NARs.
async fn remove_stale_partials(stock: Stock<'_>, age: Duration) -> Result<usize, ApiError> {
    let storage = stock.storage.clone();
    let uploads = stock.receiving.uploads().clone();
    blocking(stock, move || {
        let mut removed = 0;
        for key in storage.stale_partials(age)? {
            removed += usize::from(uploads.discard(&key)?);
        }
        Ok(removed)
    })
    .await
}

/// To its end, also where the server stops: a row that went takes its file along.
async fn blocking<T: Send + 'static>(
    stock: Stock<'_>,
    step: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, ApiError> {
    Ok(stock
        .tenure
        .spawn_blocking(step)
        .await
        .map_err(ApiError::internal)??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::tests::{Item, Scene};

    #[test]
    fn what_is_old_depends_on_the_time_and_on_how_long_an_upload_is_kept() {
        const HOUR: Duration = Duration::from_secs(3600);
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let now = now();
        for (lifetime, uploads) in [(HOUR / 2, HOUR / 2), (HOUR, HOUR), (DAY, HOUR)] {
            let ages = Ages::at(now, lifetime, 2 * HOUR);
            let expected = Ages {
                received_before: now.minus_seconds(lifetime.as_secs()),
                ended_before: now.minus_seconds(30 * DAY.as_secs()),
                partials: lifetime,
                uploads,
                orphans: 2 * HOUR,
            };
            assert_eq!(ages, expected, "{lifetime:?}");
        }
    }

    #[test]
    fn an_object_with_any_row_is_no_orphan() {
        let [good, damaged, orphan] = [1, 2, 3].map(|content| NarHash::of(&[content]));
        let row = |nar_hash: NarHash, damaged| Nar {
            id: 1,
            nar_hash,
            nar_size: 96,
            file_size: 90,
            checksum: None,
            damaged,
            contested: false,
        };
        let rows = HashMap::from([(good, row(good, false)), (damaged, row(damaged, true))]);
        assert_eq!(orphans(vec![good, damaged, orphan], &rows), [orphan]);
        assert_eq!(orphans(Vec::new(), &rows), []);
    }

    #[tokio::test]
    async fn the_turn_is_given_back_before_the_room_is_freed() {
        let scene = Scene::new().await;
        let item = Item::new("x", b"x");
        scene.push(&[&item]).await;
        let listing = format!("/{}.ls", item.hash());
        scene.server.get(&listing, &scene.ann).await.expect(200);
        let publisher = scene.server.state.pushes().receiving().publisher();
        let turn = publisher.turn().await.unwrap();
        let storage = scene.server.state.storage();
        let (aside, moved) = set_aside(storage, &[item.nar_hash()], turn);
        moved.unwrap();
        let next = tokio::time::timeout(Duration::from_secs(5), publisher.turn()).await;
        assert!(next.expect("somebody still has it").is_ok());
        // The NAR and its listing, out of the way and still there.
        assert_eq!((aside.len(), scene.files().len()), (2, 2));
        assert!(!scene.object(&item).exists());
        aside.into_iter().try_for_each(StagedFile::discard).unwrap();
        assert!(scene.files().is_empty());
    }
}
