//! The database: one writer, a few readers, all on blocking threads.
//!
//! SQLite in WAL mode: readers never wait for the writer, and each reading sees one consistent state.
//! Every change is one transaction that is on disk (`synchronous = FULL`) before it is acknowledged.
//! One file a table, or a group of tables that belong together; the SQL is plain enough for
//! PostgreSQL.
//!
//! Invariants:
//! - what decides about access (accounts, memberships, grants, flakes, revocations) is changed only
//!   through [`Database::change_access`], whose commit moves the generation on: whoever keeps a copy
//!   of such facts compares [`Database::generation`] and cannot miss a change. The functions that
//!   make such changes ask for an [`AccessChange`], so the compiler holds this rule;
//! - whoever writes says of what state the decision is that is carried out ([`Decided`]): where what
//!   decides about access has changed since, nothing is written, and the answer is
//!   [`DatabaseError::Stale`];
//! - where two servers write for a while ([`crate::tenure`]), each transaction asks whether the other has written, and
//!   then counts it as a change of access;
//! - a transaction that began runs to its end even where its request was cancelled;
//! - where the disk is full, what takes access away is written nevertheless ([`crate::room`]);
//! - the file is readable by its owner alone, it holds the secret keys.

pub mod accounts;
pub mod assertions;
pub mod audit;
pub mod audit_log;
pub mod contests;
mod decided;
mod error;
pub mod explain;
pub mod flakes;
pub mod follows;
mod generation;
pub mod grants;
pub mod guests;
mod holder;
pub mod holders;
mod inspect;
pub mod invitations;
pub mod keys;
pub mod lineage;
pub mod logs;
pub mod members;
mod migrations;
pub mod nars;
pub mod organizations;
pub mod packed;
pub mod path_sets;
pub mod pushes;
pub mod realisations;
pub mod renames;
pub mod reserved;
pub mod roots;
mod rows;
pub mod settings;
pub mod slices;
pub mod teams;
#[cfg(test)]
mod tests;
pub mod tokens;
pub mod trust;
pub mod upstream;
mod values;

use std::cell::Cell;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fh_sql::{Connection, Read, Tx};
use tokio::sync::{OwnedMutexGuard, watch};

pub use self::decided::Decided;
pub use self::error::DatabaseError;
pub use self::error::TellsFull;
pub use self::generation::Generation;
pub use self::inspect::{is_older, open_existing};
pub use self::values::{Timestamp, now};
use crate::room::Room;
use fh_shares::{self as shares, Shares};

/// The name of the database file in the data directory.
pub const FILE_NAME: &str = "fh.sqlite";

/// How long a turn is waited for.
const LONGEST_TURN: Duration = Duration::from_secs(2);

/// A handle on the database; clones share the connections.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    writer: Arc<tokio::sync::Mutex<Connection>>,
    readers: Mutex<Vec<Connection>>,
    free_readers: Shares,
    access: AtomicU64,
    directory: AtomicU64,
    /// What SQLite said last of changes by others.
    seen_version: AtomicI64,
    /// Others have written, and [`Database::notice_others`] has not told of it yet.
    untold: AtomicBool,
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Told of each commit.
    commits: watch::Sender<()>,
    room: Room,
}

impl Database {
    /// Opens or makes the database in a data directory, and brings its schema up to date.
    ///
    /// Only one process may do so at a time: the caller holds the directory's lock.
    ///
    /// # Errors
    /// When the file cannot be used, or a newer version of fh has written it.
    pub fn open(data_dir: &Path) -> Result<Self, DatabaseError> {
        let path = data_dir.join(FILE_NAME);
        let mut writer = Connection::writer(&path)?;
        migrations::run(&mut writer)?;
        let seen_version = AtomicI64::new(writer.data_version()?);
        let readers = (0..fh_sql::READERS)
            .map(|_| Connection::reader(&path))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            shared: Arc::new(Shared {
                writer: Arc::new(tokio::sync::Mutex::new(writer)),
                free_readers: Shares::of_turns(readers.len() as u64),
                readers: Mutex::new(readers),
                access: AtomicU64::new(0),
                directory: AtomicU64::new(0),
                seen_version,
                untold: AtomicBool::new(false),
                turn: Arc::default(),
                commits: watch::Sender::new(()),
                room: Room::of(data_dir),
            }),
        })
    }

    /// How much room there is for it.
    pub fn room(&self) -> &Room {
        &self.shared.room
    }

    /// Reads. All that `f` reads is of one instant; what it writes is refused.
    ///
    /// # Errors
    /// Those of `f`, and [`DatabaseError::Task`] where it panicked or the server is stopping.
    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Read) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let shared = Arc::clone(&self.shared);
        // Waiting happens here and not on a blocking thread, of which there are not that many.
        let permit = self.shared.free_readers.take(shares::current(), 1).await;
        let permit = permit.map_err(|_| DatabaseError::Task)?;
        tokio::task::spawn_blocking(move || {
            // Held by the task: a cancelled request must not free a connection still in use.
            let _permit = permit;
            let mut reader = Reader::take(&shared).ok_or(DatabaseError::Task)?;
            reader.connection()?.read(f)
        })
        .await
        .map_err(|_| DatabaseError::Task)?
    }

    /// Writes what does not decide about access. Commits where `f` returns `Ok`, else nothing happened.
    ///
    /// # Errors
    /// Those of `f`; of the database, converted; [`DatabaseError::Stale`] where the decision does not
    /// stand any more.
    pub async fn write<T, E>(
        &self,
        decided: Decided,
        f: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let mut writer = self.writer(decided).await?;
        tokio::task::spawn_blocking(move || {
            let transaction = writer.write().map_err(DatabaseError::from)?;
            shared.still_stands(decided, &transaction)?;
            let value = f(&transaction)?;
            transaction.commit().map_err(DatabaseError::from)?;
            shared.commits.send_replace(());
            Ok(value)
        })
        .await
        .unwrap_or_else(|_| Err(DatabaseError::Task.into()))
    }

    /// Writes what decides about access: as [`Database::write`], and the commit moves the generation
    /// on before anybody is told of it.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub async fn change_access<T, E>(
        &self,
        decided: Decided,
        f: impl FnOnce(&AccessChange<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + TellsFull + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let _turn = if decided.waits() {
            self.turn().await
        } else {
            None
        };
        let mut writer = self.writer(decided).await?;
        tokio::task::spawn_blocking(move || {
            // Where there was no room and is now, it has to be done once more, as after any change in between.
            let make_room = |is_full: bool| {
                let made = is_full && decided.takes_away() && shared.room.give_up();
                made.then_some(DatabaseError::Stale)
            };
            let transaction = writer
                .write()
                .map_err(DatabaseError::from)
                .map_err(|error| make_room(error.is_full()).unwrap_or(error))?;
            shared.still_stands(decided, &transaction)?;
            let change = AccessChange {
                transaction,
                directory: Cell::new(false),
            };
            let counts = shared.room.is_given_up();
            let size = || {
                if counts {
                    change.used_bytes().map_err(DatabaseError::from)
                } else {
                    Ok(0)
                }
            };
            let before = (change.changed_rows(), size()?);
            let value = match f(&change) {
                Ok(value) => value,
                Err(error) => return Err(make_room(error.is_full()).map_or(error, E::from)),
            };
            if change.changed_rows() > before.0 {
                let grown = size()?.saturating_sub(before.1);
                if !shared.room.is_for(decided.counts_for(), grown) {
                    return Err(DatabaseError::ReserveShare.into());
                }
            }
            let AccessChange {
                transaction,
                directory,
            } = change;
            let committed = transaction
                .commit()
                .map_err(DatabaseError::from)
                .map_err(|error| make_room(error.is_full()).unwrap_or(error));
            // Also after an error: whether a failed commit is on disk is not known, and reading
            // again is always right.
            if directory.get() {
                shared.directory.fetch_add(1, Ordering::SeqCst);
            }
            shared.access.fetch_add(1, Ordering::SeqCst);
            shared.commits.send_replace(());
            committed?;
            Ok(value)
        })
        .await
        .unwrap_or_else(|_| Err(DatabaseError::Task.into()))
    }

    /// Changes access as [`Database::change_access`], up to where others read it already and nobody was told, or was told
    /// of the names alone.
    #[cfg(feature = "testing")]
    pub async fn change_untold<T: Send + 'static>(
        &self,
        names_are_told: bool,
        f: impl FnOnce(&AccessChange<'_>) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let shared = Arc::clone(&self.shared);
        let mut writer = Arc::clone(&self.shared.writer).lock_owned().await;
        let changed = tokio::task::spawn_blocking(move || {
            let change = AccessChange {
                transaction: writer.write()?,
                directory: Cell::new(false),
            };
            let value = f(&change)?;
            change.transaction.commit()?;
            if names_are_told {
                shared.directory.fetch_add(1, Ordering::SeqCst);
            }
            Ok(value)
        });
        changed.await.map_err(|_| DatabaseError::Task)?
    }

    /// The turn in which access is changed: while somebody holds it, no change by another caller comes
    /// between a decision and its transaction. Without it, of many changes at the same time each would
    /// make all the others stale.
    ///
    /// Nothing that is right depends on it, so it is not waited for without end: somebody may hold it
    /// who waits for something slow.
    pub async fn turn(&self) -> Option<OwnedMutexGuard<()>> {
        let turn = Arc::clone(&self.shared.turn).lock_owned();
        tokio::time::timeout(LONGEST_TURN, turn).await.ok()
    }

    /// Whether a decision stands at this moment; only a transaction knows whether it does when it counts.
    pub fn stands(&self, decided: Decided) -> bool {
        decided.stands(self.generation(), now())
    }

    /// The writing connection, for carrying out a decision that still stands. The generation moves
    /// under this lock alone, so that the decision stands for as long as the lock is held.
    async fn writer(&self, decided: Decided) -> Result<OwnedMutexGuard<Connection>, DatabaseError> {
        let writer = Arc::clone(&self.shared.writer).lock_owned().await;
        if !self.stands(decided) {
            return Err(DatabaseError::Stale);
        }
        if self.shared.room.is_given_up() && !decided.uses_reserve() {
            return Err(DatabaseError::NoRoom);
        }
        Ok(writer)
    }

    /// Looks whether another process has written to the database since the last look, such as `fh serve
    /// --check`: whether it has. What was copied is then read anew.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn notice_others(&self) -> Result<bool, DatabaseError> {
        let shared = Arc::clone(&self.shared);
        let writer = Arc::clone(&self.shared.writer).lock_owned().await;
        tokio::task::spawn_blocking(move || {
            shared.look_for_others(writer.data_version()?);
            Ok(shared.untold.swap(false, Ordering::SeqCst))
        })
        .await
        .map_err(|_| DatabaseError::Task)?
    }

    /// Tells of commits from now on.
    pub fn commits(&self) -> watch::Receiver<()> {
        self.shared.commits.subscribe()
    }

    /// The present generation. Who copies facts asks for it *before* reading them.
    pub fn generation(&self) -> Generation {
        self.shared.generation()
    }
}

impl Shared {
    fn generation(&self) -> Generation {
        Generation {
            access: self.access.load(Ordering::SeqCst),
            directory: self.directory.load(Ordering::SeqCst),
        }
    }

    /// Moves the generation on if another process has written since the last look, by the database's data version.
    fn look_for_others(&self, version: i64) -> bool {
        let changed = self.seen_version.swap(version, Ordering::SeqCst) != version;
        if changed {
            self.untold.store(true, Ordering::SeqCst);
            self.directory.fetch_add(1, Ordering::SeqCst);
            self.access.fetch_add(1, Ordering::SeqCst);
            self.commits.send_replace(());
        }
        changed
    }

    /// In a transaction, so that nobody writes any more: whether another process has not changed what was decided.
    fn still_stands(&self, decided: Decided, transaction: &Tx<'_>) -> Result<(), DatabaseError> {
        if self.look_for_others(fh_sql::data_version(transaction)?)
            && !decided.stands(self.generation(), now())
        {
            return Err(DatabaseError::Stale);
        }
        Ok(())
    }
}

/// A transaction that changes what decides about access.
pub struct AccessChange<'a> {
    transaction: Tx<'a>,
    directory: Cell<bool>,
}

impl AccessChange<'_> {
    /// Notes that names or visibilities of organisations or flakes change.
    fn touch_directory(&self) {
        self.directory.set(true);
    }
}

impl<'a> Deref for AccessChange<'a> {
    type Target = Tx<'a>;

    fn deref(&self) -> &Tx<'a> {
        &self.transaction
    }
}

/// A connection that goes back to the others when dropped, also while a panic unwinds.
struct Reader<'a> {
    shared: &'a Shared,
    connection: Option<Connection>,
}

impl<'a> Reader<'a> {
    fn take(shared: &'a Shared) -> Option<Self> {
        let mut readers = shared
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let connection = readers.pop();
        connection.is_some().then_some(Self { shared, connection })
    }

    fn connection(&mut self) -> Result<&mut Connection, DatabaseError> {
        self.connection.as_mut().ok_or(DatabaseError::Task)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.shared
                .readers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
    }
}
