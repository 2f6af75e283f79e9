//! What passed, in numbers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Which of both ends of a connection bytes go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// What passed on one connection, or on several in sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were accepted.
    pub connections: u64,
    /// Bytes that reached the server.
    pub to_server: u64,
    /// Bytes that reached the client.
    pub to_client: u64,
    /// How often the client began to speak: at the beginning, and after each answer. Together with
    /// one for each connection that is how many round trips they took, one after the other.
    pub exchanges: u64,
    /// Faults that happened, of those that were planned.
    pub faults: u64,
}

impl Counts {
    /// Round trips, if none of the connections was used at the same time as another.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.connections + self.exchanges
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            connections: sum.connections + one.connections,
            to_server: sum.to_server + one.to_server,
            to_client: sum.to_client + one.to_client,
            exchanges: sum.exchanges + one.exchanges,
            faults: sum.faults + one.faults,
        })
    }
}

/// Counts one connection while it lives.
#[derive(Debug, Default)]
pub(super) struct Tally {
    to_server: AtomicU64,
    to_client: AtomicU64,
    exchanges: AtomicU64,
    faults: AtomicU64,
    client_spoke_last: AtomicBool,
}

impl Tally {
    pub(super) fn add(&self, direction: Direction, bytes: u64) {
        let counter = match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        };
        counter.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes came that go this way: an exchange begins when the client speaks after the server.
    pub(super) fn direction_seen(&self, direction: Direction) {
        let client = direction == Direction::ToServer;
        if !self.client_spoke_last.swap(client, Ordering::Relaxed) && client {
            self.exchanges.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn fault(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            connections: 1,
            to_server: self.to_server.load(Ordering::Relaxed),
            to_client: self.to_client.load(Ordering::Relaxed),
            exchanges: self.exchanges.load(Ordering::Relaxed),
            faults: self.faults.load(Ordering::Relaxed),
        }
    }
}
