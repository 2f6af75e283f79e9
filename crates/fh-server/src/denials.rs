//! What was asked for and refused, on its way into the audit log.
//!
//! ```text
//! answer 401, 403, 404 ─▶ note (memory, bounded) ─▶ flush (a task, and the stop) ─▶ audit_event
//! ```
//!
//! Invariants:
//! - the answer waits for nothing of this, and fails of nothing;
//! - whoever is refused all day does not fill the log: of each principal, or address, so many a minute
//!   are written one by one, and further ones as a number;
//! - memory is bounded; what has no room is counted.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::database::audit::{self, Actor, Denial};
use crate::database::{Database, DatabaseError, Decided, now};
use crate::shares::neighbourhood;

/// How often what was noted is written.
pub(crate) const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// In which time so many of one origin are written one by one.
const WINDOW: Duration = Duration::from_secs(60);

/// So many.
const A_WINDOW: u32 = 60;

/// Origins that are told from each other.
const ORIGINS: usize = 10_000;

/// Events that wait to be written.
const WAITING: usize = 10_000;

/// The action of an event that stands for many.
const MORE: &str = "denied.more";

/// Where the one who authenticates a request leaves who it was.
#[derive(Debug, Clone, Default)]
pub(crate) struct ActorSlot(Arc<OnceLock<Actor>>);

impl ActorSlot {
    /// Leaves it; the first one counts.
    pub(crate) fn set(&self, actor: Actor) {
        let _ = self.0.set(actor);
    }

    /// Who it was, if anybody known.
    pub(crate) fn actor(&self) -> Option<&Actor> {
        self.0.get()
    }
}

/// Whose the refused requests are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Origin {
    Account(i64),
    Address(Option<IpAddr>),
}

impl Origin {
    fn of(denial: &Denial) -> Self {
        match &denial.actor {
            Some(actor) => Self::Account(actor.account_id),
            None => Self::Address(denial.address.map(neighbourhood)),
        }
    }
}

/// What one origin was refused in a minute.
struct Window {
    began: Instant,
    written: u32,
    /// The last of those that are not written, and how many there were.
    more: Option<(Denial, u64)>,
}

#[derive(Default)]
struct Noted {
    waiting: Vec<Denial>,
    windows: HashMap<Origin, Window>,
    /// Those for which there was no room.
    lost: u64,
}

/// What was refused and is not written yet; clones share it.
#[derive(Clone)]
pub(crate) struct Denials {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    noted: Mutex<Noted>,
    /// Held while something is written, so that the last flush waits for the one before.
    writing: tokio::sync::Mutex<()>,
}

impl Denials {
    /// Nothing was refused yet.
    pub(crate) fn new(database: Database) -> Self {
        Self {
            shared: Arc::new(Shared {
                database,
                noted: Mutex::default(),
                writing: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Notes what was refused. Never waits for the database.
    pub(crate) fn note(&self, denial: Denial) {
        self.shared.lock().note(denial, Instant::now());
    }

    /// Writes what was noted; with `all` also the numbers of minutes that are not over.
    ///
    /// # Errors
    /// When the database fails; what was noted is written the next time.
    pub(crate) async fn flush(&self, all: bool) -> Result<(), DatabaseError> {
        let shared = Arc::clone(&self.shared);
        // Of its own, so that it comes to its end whatever becomes of the one who waits for it.
        let writing = tokio::spawn(async move { shared.write(all).await });
        writing.await.unwrap_or(Err(DatabaseError::Task))
    }
}

impl Shared {
    async fn write(&self, all: bool) -> Result<(), DatabaseError> {
        let _one_at_a_time = self.writing.lock().await;
        let events = self.lock().take(all, Instant::now());
        if events.is_empty() {
            return Ok(());
        }
        let events = Arc::new(events);
        let writing = Arc::clone(&events);
        let written = self
            .database
            .write(Decided::by_server().with_room(), move |transaction| {
                for denial in writing.iter() {
                    audit::record_denial(transaction, denial)?;
                }
                Ok(())
            });
        let written: Result<(), DatabaseError> = written.await;
        if written.is_err() {
            self.lock().put_back(&events);
        }
        written
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    fn note(&mut self, denial: Denial, now: Instant) {
        let origin = Origin::of(&denial);
        if !self.windows.contains_key(&origin) && self.windows.len() >= ORIGINS {
            self.end_windows(false, now);
            if self.windows.len() >= ORIGINS {
                self.lost += 1;
                return;
            }
        }
        let window = self.windows.entry(origin).or_insert_with(|| Window {
            began: now,
            written: 0,
            more: None,
        });
        if now.duration_since(window.began) >= WINDOW {
            let ended = std::mem::replace(
                window,
                Window {
                    began: now,
                    written: 0,
                    more: None,
                },
            );
            window.written = 1;
            self.add(ended.more.map(summary));
            self.add(Some(denial));
        } else if window.written < A_WINDOW {
            window.written += 1;
            self.add(Some(denial));
        } else {
            let count = window.more.as_ref().map_or(0, |(_, count)| *count);
            window.more = Some((denial, count + 1));
        }
    }

    /// What is to be written now.
    fn take(&mut self, all: bool, now: Instant) -> Vec<Denial> {
        self.end_windows(all, now);
        let mut events = std::mem::take(&mut self.waiting);
        if self.lost > 0 {
            events.push(lost(self.lost));
            self.lost = 0;
        }
        events
    }

    /// What could not be written is tried again, as far as there is room.
    fn put_back(&mut self, events: &[Denial]) {
        let newer = std::mem::take(&mut self.waiting);
        for denial in events.iter().cloned().chain(newer) {
            self.add(Some(denial));
        }
    }

    fn end_windows(&mut self, all: bool, now: Instant) {
        let ended = |window: &Window| all || now.duration_since(window.began) >= WINDOW;
        let ended: Vec<Window> = self
            .windows
            .extract_if(|_, window| ended(window))
            .map(|(_, window)| window)
            .collect();
        for window in ended {
            self.add(window.more.map(summary));
        }
    }

    fn add(&mut self, denial: Option<Denial>) {
        let Some(denial) = denial else { return };
        if self.waiting.len() < WAITING {
            self.waiting.push(denial);
        } else {
            self.lost += 1;
        }
    }
}

/// One event for many of one origin, the last of which is given.
fn summary((last, count): (Denial, u64)) -> Denial {
    Denial {
        action: MORE.to_owned(),
        request_id: None,
        organization: None,
        project: None,
        subject: String::new(),
        detail: json!({ "count": count, "last": last.action }),
        ..last
    }
}

/// One event for all that there was no room for.
fn lost(count: u64) -> Denial {
    Denial {
        at: now(),
        action: MORE.to_owned(),
        actor: None,
        address: None,
        request_id: None,
        organization: None,
        project: None,
        subject: String::new(),
        detail: json!({ "count": count }),
    }
}
