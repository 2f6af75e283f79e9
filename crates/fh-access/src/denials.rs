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
//! - who is refused elsewhere does not hide by it what they are refused in an organisation: it is counted for each
//!   organisation by itself, and the number stands in the log of that one;
//! - memory is bounded; what has no room is counted.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use fh_persistence::database::audit::{self, Actor, Denial};
use fh_persistence::database::{Database, DatabaseError, Decided, now};
use fh_shares::neighbourhood;
use serde_json::json;

/// In which time so many of one origin are written one by one.
const WINDOW: Duration = Duration::from_secs(60);

/// So many in one organisation, and so many in none.
pub const A_WINDOW: u32 = 60;

/// So many in all, whoever is refused in one organisation after the other.
const IN_ALL: u32 = 600;

/// Origins that are told from each other.
const ORIGINS: usize = 10_000;

/// Organisations that are told from each other of one origin. Where there are more, those before are written early.
const PLACES_OF_ONE: usize = 1_000;

/// The same of all origins.
const PLACES: usize = 10_000;

/// Events that wait to be written.
const WAITING: usize = 10_000;

/// The action of an event that stands for many.
pub const MORE: &str = "denied.more";

/// Where the one who authenticates a request leaves who it was.
#[derive(Debug, Clone, Default)]
pub struct ActorSlot(Arc<OnceLock<Actor>>);

impl ActorSlot {
    /// Leaves it; the first one counts.
    pub fn set(&self, actor: Actor) {
        let _ = self.0.set(actor);
    }

    /// Who it was, if anybody known.
    pub fn actor(&self) -> Option<&Actor> {
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

/// Where something was refused, as far as it is counted by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Place {
    /// The organisation, folded; none where there is none.
    organization: Option<String>,
    /// For which organisation a workload was acting, internal id: others are not told of it.
    acting: Option<i64>,
}

/// What one origin was refused in one place in a minute.
#[derive(Default)]
struct Count {
    written: u32,
    /// The last of those that are not written, and how many there were.
    more: Option<(Denial, u64)>,
}

/// What one origin was refused in a minute.
struct Window {
    began: Instant,
    written: u32,
    places: BTreeMap<Place, Count>,
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.began) >= WINDOW
    }

    fn is_full(&self) -> bool {
        self.places.len() >= PLACES_OF_ONE
    }
}

#[derive(Default)]
struct Noted {
    waiting: Vec<Denial>,
    windows: HashMap<Origin, Window>,
    /// How many places there are in all windows.
    places: usize,
    /// Those for which there was no room.
    lost: u64,
}

/// What was refused and is not written yet; clones share it.
#[derive(Clone)]
pub struct Denials {
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
    pub fn new(database: Database) -> Self {
        Self {
            shared: Arc::new(Shared {
                database,
                noted: Mutex::default(),
                writing: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Notes what was refused. Never waits for the database. `organization`: for which one it counts, folded: one
    /// that there is, as there is no end of names that are none.
    pub fn note(&self, denial: Denial, organization: Option<String>) {
        let mut noted = self.shared.lock();
        noted.note(denial, organization, Instant::now());
    }

    /// Writes what was noted; with `all` also the numbers of minutes that are not over.
    ///
    /// # Errors
    /// When the database fails; what was noted is written the next time.
    pub async fn flush(&self, all: bool) -> Result<(), DatabaseError> {
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
            .write(Decided::by_server().with_room(), move |tx| {
                for denial in writing.iter() {
                    audit::record_denial(tx, denial)?;
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
    fn note(&mut self, denial: Denial, organization: Option<String>, now: Instant) {
        let origin = Origin::of(&denial);
        let place = Place {
            acting: denial.actor.as_ref().and_then(|actor| actor.acting),
            organization,
        };
        let window = self.windows.get(&origin);
        let is_known = window.is_some_and(|window| window.places.contains_key(&place));
        let no_room = self.windows.len() >= ORIGINS || self.places >= PLACES;
        if !is_known && (no_room || window.is_some_and(Window::is_full)) {
            self.end_windows(|window, _| window.is_over(now));
            self.make_room(origin);
        }
        if let Some(ended) = self.windows.remove(&origin) {
            if ended.is_over(now) {
                self.end(ended.places);
            } else {
                self.windows.insert(origin, ended);
            }
        }
        if !self.windows.contains_key(&origin) && self.windows.len() >= ORIGINS {
            // Addresses cost nothing, and accounts do: whoever has many of the former keeps nobody with one of
            // the latter out of the log.
            self.end_windows(|_, origin| matches!(origin, Origin::Address(_)));
        }
        if !self.windows.contains_key(&origin) && self.windows.len() >= ORIGINS {
            self.lost += 1;
            return;
        }
        let window = self.windows.entry(origin).or_insert_with(|| Window {
            began: now,
            written: 0,
            places: BTreeMap::new(),
        });
        let before = window.places.len();
        let count = window.places.entry(place).or_default();
        let is_written = count.written < A_WINDOW && window.written < IN_ALL;
        if is_written {
            count.written += 1;
            window.written += 1;
        }
        let denial = if is_written {
            Some(denial)
        } else {
            let counted = count.more.as_ref().map_or(0, |(_, counted)| *counted);
            count.more = Some((denial, counted + 1));
            None
        };
        self.places += window.places.len() - before;
        self.add(denial);
    }

    /// What is to be written now.
    fn take(&mut self, all: bool, now: Instant) -> Vec<Denial> {
        self.end_windows(|window, _| all || window.is_over(now));
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

    fn end_windows(&mut self, is_over: impl Fn(&Window, &Origin) -> bool) {
        let ended: Vec<Window> = self
            .windows
            .extract_if(|origin, window| is_over(window, origin))
            .map(|(_, window)| window)
            .collect();
        for window in ended {
            self.end(window.places);
        }
    }

    /// Where one more place has none, ends those of this origin, or of the one that has the most.
    fn make_room(&mut self, origin: Origin) {
        let own = self.windows.get(&origin).is_some_and(Window::is_full);
        let fullest = if own {
            Some(origin)
        } else if self.places >= PLACES {
            let of_most = |(_, window): &(_, &Window)| window.places.len();
            let most = self.windows.iter().max_by_key(of_most);
            most.map(|(origin, _)| *origin)
        } else {
            None
        };
        if let Some(window) = fullest.and_then(|origin| self.windows.get_mut(&origin)) {
            // When it began, and how many of it were written one by one, stays.
            let ended = std::mem::take(&mut window.places);
            self.end(ended);
        }
    }

    /// Of places that are counted no longer.
    fn end(&mut self, places: BTreeMap<Place, Count>) {
        self.places -= places.len();
        for (place, count) in places {
            self.add(count.more.map(|more| summary(place.organization, more)));
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

/// One event for many of one origin in one organisation, the last of which is given.
fn summary(organization: Option<String>, (last, count): (Denial, u64)) -> Denial {
    Denial {
        action: MORE.to_owned(),
        request_id: None,
        organization,
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

#[cfg(test)]
mod tests;
