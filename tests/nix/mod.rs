//! What the end-to-end tests with real Nix share.
//!
//! ```text
//! Site ── a server in this process, and its administrator, who works with the `fh` that was built
//!   └─ Person ── a home of their own, `fh login` done, any version of Nix
//! Served ── the same as a process, which can be killed
//! Built ── a closure in the machine's store, deleted afterwards
//! Stock ── a scratch store full of random paths, made in no time
//! Watcher, stored ── whether a server and its files are as they must be, whatever happened
//! proxy ── stands between a client and the server: records, cuts and holds requests
//! ```
//!
//! Invariants: nobody's own files are touched, every child process has a time limit, and nothing
//! waits for a time but only for what happens.

#![allow(
    dead_code,
    unused_imports,
    reason = "every test binary compiles this module and uses a part of it"
)]

pub(crate) mod built;
pub(crate) mod http;
pub(crate) mod invariants;
pub(crate) mod process;
pub(crate) mod served;
pub(crate) mod site;
pub(crate) mod stock;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use fh_testkit::proxy::{Proxy, Seen, Verdict};
use serde_json::Value;

pub(crate) use built::Built;

pub(crate) use site::{Person, Site, hash_part};

/// What several tests use at the same time, made when the first asks and removed after the last: a
/// static itself would never be removed.
pub(crate) fn shared<T>(slot: &Mutex<Weak<T>>, make: impl FnOnce() -> T) -> Arc<T> {
    // A test that panicked while it made one left nothing behind.
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(there) = slot.upgrade() {
        return there;
    }
    let made = Arc::new(make());
    *slot = Arc::downgrade(&made);
    made
}

/// Asks again and again, for a minute at most, until something has happened that nobody announces.
#[track_caller]
pub(crate) fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !happened() {
        assert!(Instant::now() < deadline, "not after a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The counts of a summary: those of these names.
pub(crate) fn counts<const N: usize>(summary: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| {
        summary[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{summary}"))
    })
}

/// A proxy before the server at `url` that judges requests: given each and those before it.
pub(crate) fn proxy(
    url: &str,
    judge: impl Fn(&Seen, &[Seen]) -> Verdict + Send + Sync + 'static,
) -> Proxy {
    Proxy::requests(address(url), judge).unwrap()
}

/// The address in an `http` URL.
pub(crate) fn address(url: &str) -> SocketAddr {
    url.strip_prefix("http://").unwrap().parse().unwrap()
}
