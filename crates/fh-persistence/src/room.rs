//! Room on the disk, and what is kept of it for taking access away.
//!
//! Uploads fill a disk, and so do others who use it. Whoever wants to revoke a stolen token then must not be told
//! to come back when somebody has tidied up. So there is a *reserve*: a file beside the database that holds nothing
//! but room.
//!
//! | level | when | what is done |
//! |---|---|---|
//! | [`Level::Enough`] | more is free than the reserve once more | everything |
//! | [`Level::Low`] | less | everything but plans and uploads; `/readyz` answers 503 |
//! | [`Level::GivenUp`] | something that takes access away was refused for want of room | the reserve is removed, and only what takes access away is written, and what makes room |
//!
//! ```text
//! revoke ─▶ transaction ─▶ SQLite: disk full ─▶ reserve removed ─▶ the same request once more ─▶ done
//!                                                     ▲                                    │
//!                                                     └──── made again, once there is room ◀
//! ```
//!
//! Invariants:
//! - the reserve is given up for [`Decided::taking_away`](crate::database::Decided::taking_away) alone, by whoever
//!   holds the writing connection: from then on no request writes to the database that does not take access away;
//! - it is made only where as much stays free beside it;
//! - nobody uses it up: what is so already is not written again, and while the reserve is used all accounts together
//!   have only a part of it, each only a small part of what is left of that ([`Uses`]). The rest is for server
//!   administrators, and for who revokes tokens of their own.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fh_api::with_causes;
use fh_file as files;

/// Bytes of the reserve: the write-ahead log up to where it is written back to the database (4 MiB) several times,
/// and what the database grows by meanwhile.
const RESERVE: u64 = 16 << 20;

/// On a small file system the reserve is one in so many of its bytes.
const SHARE: u64 = 16;

/// Of the reserve, one in so many bytes is for what accounts change that are counted. The write-ahead log and server
/// administrators need the others.
const FOR_ACCOUNTS: u64 = 2;

/// An account uses one in so many bytes of what is left for all.
const OF_ONE: u64 = 16;

/// What an account may use that has used nothing, in bytes: by one change the database grows by a few pages.
const FIRST: u64 = 64 << 10;

/// What a change counts for at least, in bytes: the database grows by whole pages, and so not by every change.
const LEAST: u64 = 256;

/// The name of the reserve in the data directory.
const FILE: &str = "reserve";

/// How long it is remembered how much room there is.
const REMEMBERED: Duration = Duration::from_secs(1);

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Enough,
    Low,
    /// For nothing: the reserve is being used.
    GivenUp,
}

/// The room on a data directory's disk; clones share what is known of it.
#[derive(Debug, Clone)]
pub struct Room {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    given_up: AtomicBool,
    /// The reserve, while it is made or given up: whether this process has made it.
    reserve: Mutex<bool>,
    level: Mutex<Option<(Instant, Level)>>,
    /// What was used since the reserve was given up.
    uses: Mutex<Uses>,
}

/// What accounts have used of the reserve, in bytes.
///
/// Nobody gives back what they have used. So that many who use it up leave something to who comes next, each has a
/// sixteenth of what is left, and not of the whole: after a hundred of them that is still enough to remove somebody.
#[derive(Debug, Default)]
struct Uses {
    by_account: HashMap<i64, u64>,
    all: u64,
}

impl Uses {
    /// Whether an account may use so much, which it then has. `total`: what there is for all.
    fn take(&mut self, account_id: i64, bytes: u64, total: u64) -> bool {
        let left = total.saturating_sub(self.all);
        let used = self.by_account.entry(account_id).or_default();
        let first = if *used == 0 { FIRST } else { 0 };
        let part = (left / OF_ONE).max(first).min(left);
        let bytes = bytes.max(LEAST);
        let may_use = used.saturating_add(bytes) <= part;
        if may_use {
            *used += bytes;
            self.all += bytes;
        }
        may_use
    }
}

/// Of a file system, in bytes.
struct Space {
    all: u64,
    free: u64,
}

impl Room {
    /// Of a data directory. Nothing is looked at, and nothing is made, yet.
    pub fn of(data_dir: &Path) -> Self {
        Self {
            shared: Arc::new(Shared {
                directory: data_dir.to_owned(),
                given_up: AtomicBool::new(false),
                reserve: Mutex::new(false),
                level: Mutex::new(None),
                uses: Mutex::default(),
            }),
        }
    }

    /// Whether the reserve was given up, and nothing is to be written that can wait.
    pub fn is_given_up(&self) -> bool {
        self.shared.given_up.load(Ordering::SeqCst)
    }

    /// Whether this account may let the database grow by so many bytes, which are then counted. Nothing is counted
    /// where the reserve is there, or for nobody. Blocks.
    pub fn is_for(&self, account_id: Option<i64>, bytes: u64) -> bool {
        let Some(account_id) = account_id.filter(|_| self.is_given_up()) else {
            return true;
        };
        let reserve = self.space().map_or(RESERVE, |space| size(&space));
        self.uses().take(account_id, bytes, reserve / FOR_ACCOUNTS)
    }

    /// How much there is, as it was a moment ago at most.
    pub async fn level(&self) -> Level {
        let remembered = *self.remembered();
        if let Some((at, level)) = remembered
            && at.elapsed() < REMEMBERED
        {
            return level;
        }
        let room = self.clone();
        let look = tokio::task::spawn_blocking(move || room.look());
        look.await.unwrap_or(Level::Enough)
    }

    /// Gives the reserve up: whether there was one. Blocks.
    pub fn give_up(&self) -> bool {
        let _reserve = self.reserve();
        let path = self.path();
        match fs::remove_file(&path) {
            Ok(()) => {
                self.shared.given_up.store(true, Ordering::SeqCst);
                *self.remembered() = None;
                tracing::error!(
                    "the disk is full: the reserve is used to remove access, and nothing else is written until \
                     there is space"
                );
                true
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                tracing::error!(error = %with_causes(&error), path = %path.display(), "cannot give up the reserve");
                false
            }
        }
    }

    /// Makes sure that the reserve is there, where there is room for it: whether it is. Blocks.
    ///
    /// # Errors
    /// Where the file system cannot be asked, or refuses it for another reason than that it is full.
    pub fn keep(&self) -> io::Result<bool> {
        let mut made = self.reserve();
        let space = self.space()?;
        let (path, size) = (self.path(), size(&space));
        let there = match files::open_regular(&path) {
            Ok(file) => {
                let metadata = file.metadata()?;
                // A copy of a data directory may have it without any room behind it.
                metadata.len() >= size && (*made || metadata.blocks() * 512 >= size)
            }
            Err(_) => false,
        };
        if !there {
            if space.free < 2 * size {
                self.shared.given_up.store(true, Ordering::SeqCst);
                return Ok(false);
            }
            if let Err(error) = replace(&path, size) {
                if !is_full(&error) {
                    return Err(error);
                }
                // What there is of it is in the way.
                let _ = fs::remove_file(&path);
                self.shared.given_up.store(true, Ordering::SeqCst);
                return Ok(false);
            }
            *made = true;
        }
        if self.shared.given_up.swap(false, Ordering::SeqCst) {
            *self.uses() = Uses::default();
            tracing::info!("there is room on the disk again");
        }
        Ok(true)
    }

    fn look(&self) -> Level {
        let level = if self.is_given_up() {
            Level::GivenUp
        } else {
            match self.space() {
                Ok(space) if space.free < size(&space) => Level::Low,
                Ok(_) => Level::Enough,
                Err(error) => {
                    // Whoever writes finds out.
                    tracing::warn!(error = %with_causes(&error), "cannot ask how much room there is");
                    Level::Enough
                }
            }
        };
        *self.remembered() = Some((Instant::now(), level));
        level
    }

    fn space(&self) -> io::Result<Space> {
        let found = rustix::fs::statvfs(&self.shared.directory)?;
        Ok(Space {
            all: found.f_blocks.saturating_mul(found.f_frsize),
            free: found.f_bavail.saturating_mul(found.f_frsize),
        })
    }

    fn path(&self) -> PathBuf {
        self.shared.directory.join(FILE)
    }

    fn reserve(&self) -> std::sync::MutexGuard<'_, bool> {
        self.shared
            .reserve
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn uses(&self) -> std::sync::MutexGuard<'_, Uses> {
        self.shared
            .uses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Level)>> {
        self.shared
            .level
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of the reserve on such a file system. One that does not say how large it is gets the whole of it.
fn size(space: &Space) -> u64 {
    match space.all {
        0 => RESERVE,
        all => RESERVE.min(all / SHARE),
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Makes a file of so many bytes, which it has for good.
fn replace(path: &Path, size: u64) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    if !allocate(&file, size)? {
        fill(&mut file, size)?;
    }
    file.sync_all()
}

/// Takes the room without writing anything, where the file system can: whether it did.
#[cfg(target_os = "linux")]
fn allocate(file: &File, size: u64) -> io::Result<bool> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(_: &File, _: u64) -> io::Result<bool> {
    Ok(false)
}

/// Writes what no file system makes smaller.
fn fill(file: &mut File, size: u64) -> io::Result<()> {
    let mut block = [0; 4096];
    let mut left = size;
    while left > 0 {
        getrandom::fill(&mut block).map_err(io::Error::other)?;
        let length = left.min(block.len() as u64);
        file.write_all(&block[..usize::try_from(length).unwrap_or(block.len())])?;
        left -= length;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_made_given_up_and_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let room = Room::of(directory.path());
        let path = directory.path().join(FILE);
        assert!(!room.give_up() && !room.is_given_up());
        assert!(room.keep().unwrap());
        let metadata = path.metadata().unwrap();
        assert!(metadata.len() > 0 && metadata.len() <= RESERVE);
        assert!(metadata.blocks() * 512 >= metadata.len());
        assert!(room.keep().unwrap());
        assert!(room.give_up());
        assert!(room.is_given_up() && !path.exists());
        assert_eq!(room.look(), Level::GivenUp);
        assert!(room.keep().unwrap());
        assert!(!room.is_given_up());
        // As a backup may bring it back: without any room behind it.
        let copy = Room::of(directory.path());
        let file = File::create(&path).unwrap();
        file.set_len(metadata.len()).unwrap();
        assert!(copy.keep().unwrap());
        assert!(path.metadata().unwrap().blocks() * 512 >= metadata.len());
    }

    #[test]
    fn each_account_has_its_share_of_what_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let room = Room::of(directory.path());
        let reserve = size(&room.space().unwrap());
        let times = |account| (0..10_000).filter(|_| room.is_for(account, 0)).count() as u64;
        assert!(room.keep().unwrap());
        assert_eq!(times(Some(1)), 10_000);
        for _ in 0..2 {
            assert!(room.give_up());
            // A part of what is left once that is used.
            let most = reserve / FOR_ACCOUNTS / (OF_ONE + 1) / LEAST;
            let one = times(Some(1));
            assert!((most - 1..=most + 1).contains(&one), "{one} {most}");
            let two = times(Some(2));
            assert!(two < one && two > one * 8 / 10, "{one} {two}");
            assert_eq!(times(None), 10_000);
            assert_eq!(times(Some(1)), 0);
            assert!(room.keep().unwrap());
        }
    }

    #[test]
    fn many_accounts_leave_something_for_the_next_and_never_use_more_than_their_part() {
        let total = RESERVE / FOR_ACCOUNTS;
        let mut uses = Uses::default();
        let mut used = Vec::new();
        for account in 0..100 {
            let before = uses.all;
            // An honest one, of whom something is to be removed.
            assert!(uses.take(-1 - account, 512, total), "{account}");
            while uses.take(account, 512, total) {}
            used.push(uses.all - before);
        }
        assert!(used.is_sorted_by(|a, b| a >= b), "{used:?}");
        for account in 100..10_000 {
            while uses.take(account, 4096, total) {}
        }
        assert!(uses.all <= total, "{}", uses.all);
        // One change may not be larger than what one has.
        let mut uses = Uses::default();
        assert!(!uses.take(1, total / OF_ONE + 1, total));
        assert!(uses.take(1, total / OF_ONE, total));
        assert!(!uses.take(1, 1, total));
        // Where there is little left, who has used nothing changes something.
        let mut uses = Uses {
            all: total - 8192,
            ..Uses::default()
        };
        assert!(uses.take(1, 8192, total) && !uses.take(2, 1, total));
    }

    #[test]
    fn what_is_written_where_there_is_no_other_way_has_its_size() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let mut file = File::create(&path).unwrap();
        fill(&mut file, 10_000).unwrap();
        assert_eq!(path.metadata().unwrap().len(), 10_000);
    }

    #[test]
    fn a_small_file_system_gives_a_small_part() {
        let space = |all| Space { all, free: 0 };
        assert_eq!(size(&space(1 << 40)), RESERVE);
        assert_eq!(size(&space(16 << 20)), 1 << 20);
        assert_eq!(size(&space(0)), RESERVE);
    }
}
