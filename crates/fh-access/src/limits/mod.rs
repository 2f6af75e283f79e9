//! How much one caller may ask of the server: requests by principal, failed logins by address.
//! What several share is in [`fh_shares`].
//!
//! Both are token buckets, kept as the one number of the generic cell rate algorithm: the time at which
//! the bucket would be full again. Nothing is told to the database, and a restart forgets it all.
//!
//! Invariants:
//! - memory is bounded, whatever principals and addresses come;
//! - a request that is let through takes no lock and allocates nothing;
//! - credentials that verify are never refused because of what others at the same address send: a
//!   whole company may sit behind one.

mod bucket;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use fh_settings::Limits;
use fh_shares::neighbourhood;
use fh_shares::{Holders, Share, Shares};
use moka::sync::Cache;

use self::bucket::Rate;
use crate::error::ApiError;
use crate::source::Source;

/// Buckets of requests: half a megabyte.
const BUCKETS: usize = 1 << 16;

/// So many seconds' worth of requests may come at once.
const BURST_SECONDS: u32 = 2;

/// In which time so many logins may fail.
const FAILURE_PERIOD: Duration = Duration::from_secs(60);

/// Addresses whose failures are remembered, some 150 bytes each.
const ADDRESSES: u64 = 50_000;

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin<'a> {
    /// That of an account, by internal id, whatever token it shows: it may have a thousand.
    Account(i64),
    /// That of a workload: its account, which it may share with others, and what it is.
    Workload(i64, &'a str),
    /// Somebody's at an address, or, without one, anybody's.
    Address(Option<IpAddr>),
}

impl Origin<'_> {
    /// That of somebody of whom only is known where they are.
    pub fn at(source: Source) -> Self {
        Self::Address(source.address.map(neighbourhood))
    }
}

pub struct Limiter {
    started: Instant,
    requests: Option<Requests>,
    failures: Option<Failures>,
    examinations: Shares,
    body_memory: Shares,
}

struct Requests {
    rate: Rate,
    per_second: u32,
    hasher: RandomState,
    /// Each origin has two, which it may share with others: it is refused where both are empty.
    /// Which two, nobody outside can know.
    buckets: Box<[AtomicU64]>,
}

/// Identities of others that are examined at the same time, which may ask the database and other servers.
const EXAMINATIONS: u64 = 16;

/// Bytes of bodies that are in memory as a whole, at least; else that of eight of the largest plans.
const LEAST_BODY_MEMORY: u64 = 64 << 20;

/// So many times as much may be waited for by one account or address.
const WAITING_MEMORY: u64 = 16;

struct Failures {
    rate: Rate,
    buckets: Cache<IpAddr, Arc<AtomicU64>>,
}

impl Limiter {
    /// With what the settings allow; 0 allows everything.
    pub fn new(limits: &Limits) -> Self {
        let requests = (limits.request_rate > 0).then(|| Requests {
            rate: Rate::new(
                limits.request_rate,
                Duration::from_secs(1),
                limits.request_rate.saturating_mul(BURST_SECONDS),
            ),
            per_second: limits.request_rate,
            hasher: RandomState::new(),
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
        });
        let failures = (limits.login_failures > 0).then(|| Failures {
            rate: Rate::new(limits.login_failures, FAILURE_PERIOD, limits.login_failures),
            buckets: Cache::builder()
                .max_capacity(ADDRESSES)
                // By then the bucket is full again.
                .time_to_idle(FAILURE_PERIOD * 2)
                .build(),
        });
        let body_memory = LEAST_BODY_MEMORY.max(limits.plan_size.saturating_mul(8));
        Self {
            started: Instant::now(),
            requests,
            failures,
            examinations: Shares::of_parts(EXAMINATIONS, u64::MAX),
            body_memory: Shares::of_parts(body_memory, body_memory.saturating_mul(WAITING_MEMORY)),
        }
    }

    /// Lets a request pass.
    ///
    /// # Errors
    /// 429 where its origin has sent too many.
    pub fn request(&self, origin: Origin<'_>) -> Result<(), ApiError> {
        let Some(requests) = &self.requests else {
            return Ok(());
        };
        requests.take(origin, self.now()).map_err(|wait| {
            let per_second = requests.per_second;
            ApiError::TooMany(
                format!(
                    "too many requests: this server accepts {per_second} a second from one caller"
                ),
                Some(wait),
            )
        })
    }

    /// Notes that credentials were bad, which is told to whoever sent them. Credentials are verified before
    /// anything is counted: so nobody's good ones are ever refused for the bad ones of others, also not by a
    /// server that has just started and knows none.
    ///
    /// # Errors
    /// 429 where too many from the same address were bad. Where no address is known, as behind a proxy
    /// that does not tell it, nobody is refused for what others do.
    pub fn login_failed(&self, source: Source) -> Result<(), ApiError> {
        let (Some(failures), Some(address)) = (&self.failures, source.address) else {
            return Ok(());
        };
        let bucket = failures
            .buckets
            .get_with(neighbourhood(address), Arc::default);
        failures.rate.take(&bucket, self.now()).map_err(|wait| {
            ApiError::TooMany(
                "these credentials are invalid, and too many such came from your address"
                    .to_owned(),
                Some(wait),
            )
        })
    }

    /// Waits until an identity that others have signed may be examined, which is not known to be good
    /// before: from one address so many at the same time that others come to theirs.
    pub async fn examination(&self, source: Source) -> Option<Share> {
        let holders = Holders::new(None, source.address);
        self.examinations.take(holders, 1).await.ok()
    }

    /// The memory for bodies that are read as a whole before anything is done.
    pub fn body_memory(&self) -> &Shares {
        &self.body_memory
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Requests {
    fn take(&self, origin: Origin<'_>, now: Duration) -> Result<(), Duration> {
        let hash = self.hasher.hash_one(origin);
        let index = |bits: u64| (bits % BUCKETS as u64) as usize;
        let first = self.rate.take(&self.buckets[index(hash)], now);
        let second = self.rate.take(&self.buckets[index(hash >> 32)], now);
        match (first, second) {
            (Err(first), Err(second)) => Err(first.min(second)),
            _ => Ok(()),
        }
    }
}
