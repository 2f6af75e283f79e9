//! One server after another on a data directory, with no time in between in which nobody serves.
//!
//! | file | who holds it | how |
//! |---|---|---|
//! | `lock` | the server that accepts connections | alone |
//! | `draining` | servers that were told to stop, and still answer what they have accepted | together |
//!
//! ```text
//! former  serving ─ told to stop: holds `draining` ─ sockets closed, collection ended: gives up `lock` ─ … ─ gone
//! next                                               waits for `lock` ─▶ serving ─────────────────────────▶ alone
//! ```
//!
//! Between the last two steps both write. SQLite and the locks on files keep them apart, and neither trusts what
//! it remembers ([`Tenure::is_shared`]):
//! - who is asking is decided after it was asked whether the other one has written ([`crate::database::Database::notice_others`]), and
//!   each transaction asks again;
//! - objects are placed by one of them at a time (`Publisher::turn`), and a large NAR is received
//!   by one of them at a time ([`crate::storage::PartialFile`]);
//! - only the next one collects, brings the schema up to date and removes temporary files, once it is alone.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fh_file as files;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

const LOCK_FILE: &str = "lock";

const DRAINING_FILE: &str = "draining";

/// How long the former server has for what it does between the signal and giving up its lock.
const LONGEST_HANDOVER: Duration = Duration::from_secs(20);

/// How long to sleep between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// What a server has of its data directory, and what it does for it that outlives requests. Clones are the same.
#[derive(Debug, Clone)]
pub struct Tenure {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// None after it was given up.
    lock: Mutex<Option<File>>,
    /// Held once the server was told to stop.
    draining: File,
    /// To ask whether others hold it: another handle, since asking takes and gives back.
    asked: File,
    /// A former server may write too.
    has_former: AtomicBool,
    /// The server was told to stop, and the next one may write too.
    is_ending: AtomicBool,
    /// Work that goes on where its request has ended.
    work: TaskTracker,
}

/// Why the data directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TenureError {
    /// The directory, or a file in it, cannot be used.
    #[error("cannot use {}", .path.display())]
    Unusable {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another server has it.
    #[error("another server is using the data directory {}", .path.display())]
    InUse { path: PathBuf },
}

impl Tenure {
    /// Makes the data directory where there is none, and takes its lock. A server that is stopping gives it up
    /// soon, which is waited for.
    ///
    /// # Errors
    /// [`TenureError::InUse`] where another server has it, [`TenureError::Unusable`].
    pub async fn begin(path: &Path) -> Result<Self, TenureError> {
        make_directory(path)?;
        let failed = |name: &'static str| {
            let path = path.join(name);
            move |source| TenureError::Unusable { path, source }
        };
        let lock = open(path, LOCK_FILE).map_err(failed(LOCK_FILE))?;
        let draining = open(path, DRAINING_FILE).map_err(failed(DRAINING_FILE))?;
        let asked = open(path, DRAINING_FILE).map_err(failed(DRAINING_FILE))?;
        let begin = Instant::now();
        while !take(&lock).map_err(failed(LOCK_FILE))? {
            let is_stopping = is_taken(&asked).map_err(failed(DRAINING_FILE))?;
            if !is_stopping || begin.elapsed() > LONGEST_HANDOVER {
                return Err(TenureError::InUse {
                    path: path.to_owned(),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
        let has_former = is_taken(&asked).map_err(failed(DRAINING_FILE))?;
        if has_former {
            tracing::info!("the previous server still answers what it has accepted");
        }
        Ok(Self {
            shared: Arc::new(Shared {
                lock: Mutex::new(Some(lock)),
                draining,
                asked,
                has_former: AtomicBool::new(has_former),
                is_ending: AtomicBool::new(false),
                work: TaskTracker::new(),
            }),
        })
    }

    /// Whether another process may write to the data directory too, so that nothing that is remembered of it is
    /// sure.
    pub fn is_shared(&self) -> bool {
        self.shared.has_former.load(Ordering::SeqCst)
            || self.shared.is_ending.load(Ordering::SeqCst)
    }

    /// Waits until the former servers are gone. What they have written last is to be noticed before
    /// [`Self::is_alone`] is said.
    pub async fn others_gone(&self) {
        while self.shared.has_former.load(Ordering::SeqCst) {
            match is_taken(&self.shared.asked) {
                Ok(false) => return,
                Ok(true) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot ask whether the previous server is gone");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// No former server writes any more.
    pub fn is_alone(&self) {
        self.shared.has_former.store(false, Ordering::SeqCst);
    }

    /// The server was told to stop: from now on it says so, and another one may come beside it.
    pub fn begin_to_end(&self) -> io::Result<()> {
        self.shared.draining.lock_shared()?;
        self.shared.is_ending.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Lets the next server have the data directory. Nothing of what only one may do is done any more.
    pub fn hand_over(&self) {
        let mut lock = self
            .shared
            .lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *lock = None;
    }

    /// Does something to its end, also where nobody waits for it.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.shared.work.spawn(work)
    }

    /// The same for what blocks.
    pub fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.shared.work.spawn_blocking(work)
    }

    /// Waits for all such work. Nobody begins any after that.
    pub async fn work_done(&self) {
        self.shared.work.close();
        self.shared.work.wait().await;
    }
}

/// Whether a server is using a data directory now.
pub fn is_in_use(path: &Path) -> bool {
    [LOCK_FILE, DRAINING_FILE].into_iter().any(|name| {
        files::open_regular(&path.join(name))
            .and_then(|file| is_taken(&file))
            .unwrap_or(false)
    })
}

fn make_directory(path: &Path) -> Result<(), TenureError> {
    let failed = |source| TenureError::Unusable {
        path: path.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed)?;
    let mode = path.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o022 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format!("{:o}", mode & 0o7777),
            "others than its owner can write to the data directory"
        );
    }
    Ok(())
}

fn open(directory: &Path, name: &str) -> io::Result<File> {
    let path: PathBuf = directory.join(name);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    files::never_waiting(options.mode(0o600))
        .open(path)
        .and_then(files::regular)
}

/// Takes a lock for oneself, if nobody has it.
fn take(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether somebody else has a lock.
fn is_taken(file: &File) -> io::Result<bool> {
    let taken = !take(file)?;
    if !taken {
        file.unlock()?;
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_is_told_to_stop_lets_the_next_one_in() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        assert!(!is_in_use(&path));
        let former = Tenure::begin(&path).await.unwrap();
        assert!(is_in_use(&path) && !former.is_shared());
        let error = Tenure::begin(&path).await.unwrap_err();
        assert!(matches!(error, TenureError::InUse { .. }), "{error}");
        former.begin_to_end().unwrap();
        let waiting = tokio::spawn({
            let path = path.clone();
            async move { Tenure::begin(&path).await }
        });
        tokio::time::sleep(4 * PAUSE).await;
        assert!(!waiting.is_finished());
        former.hand_over();
        let next = waiting.await.unwrap().unwrap();
        assert!(next.is_shared());
        // A third one is one too many.
        assert!(Tenure::begin(&path).await.is_err());
        assert!(
            tokio::time::timeout(4 * PAUSE, next.others_gone())
                .await
                .is_err()
        );
        drop(former);
        next.others_gone().await;
        next.is_alone();
        assert!(!next.is_shared() && is_in_use(&path));
        drop(next);
        assert!(!is_in_use(&path));
    }

    #[tokio::test]
    async fn what_outlives_its_request_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let tenure = Tenure::begin(directory.path()).await.unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let slow = Arc::clone(&done);
        drop(tenure.spawn(async move {
            tokio::time::sleep(4 * PAUSE).await;
            slow.store(true, Ordering::SeqCst);
        }));
        tenure.work_done().await;
        assert!(done.load(Ordering::SeqCst));
    }
}
