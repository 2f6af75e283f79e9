//! Something of which there is a fixed amount, shared between those who want it: places for uploads,
//! for plans, for commits and for connections, bytes of memory, turns at the database and at the processors.
//!
//! ```text
//! take(holders, amount) ─ may they? ─ yes ─▶ Share ─ dropped ─▶ free
//!                             └─ no ─▶ waits: who holds least goes first ◀┘
//! ```
//!
//! A [`Share`] counts for everybody in its [`Holders`]: the account that asked for it and the address that
//! it asked from. There are two kinds:
//! - of [parts](Shares::of_parts), which a client may hold for long, no address may have more than what is
//!   then left, and no account more than half of that: a single address comes to a half, two to a third
//!   each, an account to a third, and so on. So something is always left for who comes next, also for others
//!   of the same address. (Routers share their buffers so: A. Choudhury, E. Hahne, *Dynamic queue length
//!   thresholds for shared-memory packet switches*, 1998.)
//! - [turns](Shares::of_turns) are short and end by themselves: there one may have all of them as long as
//!   nobody else waits.
//!
//! Invariants:
//! - who holds nothing is given what they ask for, if there is as much, whoever else waits;
//! - of those who wait, the account that holds least goes first, then the address, then who came first;
//! - nobody has more waiting than is there in all: what waits costs something too;
//! - a share that nobody waits for any more goes to the next one, however its request ended.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// An address as far as it stands for one customer of a network: of IPv6 the first 64 bits, since
/// everybody has all the rest.
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// For whom a share counts. Where neither is known it counts for nobody, and only the whole is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Holders {
    account: Option<i64>,
    address: Option<IpAddr>,
}

impl Holders {
    /// An account, by internal id, where one is known, and an address as far as it stands for one customer
    /// of a network.
    pub fn new(account: Option<i64>, address: Option<IpAddr>) -> Self {
        Self {
            account,
            address: address.map(neighbourhood),
        }
    }

    fn each(self) -> impl Iterator<Item = Holder> {
        let account = self.account.map(Holder::Account);
        let address = self.address.map(Holder::Address);
        account.into_iter().chain(address)
    }
}

tokio::task_local! {
    static CURRENT: Cell<Holders>;
}

/// Does something for whoever [`count_for`] names in it; for nobody before.
pub async fn for_somebody<T>(work: impl Future<Output = T>) -> T {
    counted_for(Holders::default(), work).await
}

/// Does something that counts for these.
pub async fn counted_for<T>(holders: Holders, work: impl Future<Output = T>) -> T {
    CURRENT.scope(Cell::new(holders), work).await
}

/// Names for whom counts what is done from here on.
pub fn count_for(holders: Holders) {
    // Outside of a request it counts for nobody.
    let _ = CURRENT.try_with(|current| current.set(holders));
}

/// For whom counts what is being done.
pub fn current() -> Holders {
    CURRENT.try_with(Cell::get).unwrap_or_default()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    Account(i64),
    Address(IpAddr),
}

/// An amount that is shared. Clones share the same one.
#[derive(Clone)]
pub struct Shares {
    shared: Arc<Shared>,
}

struct Shared {
    total: u64,
    /// How much one may have waiting.
    most_waiting: u64,
    state: Mutex<State>,
}

struct State {
    free: u64,
    /// Whether one may have all.
    greedy: bool,
    held: HashMap<Holder, u64>,
    waiting: HashMap<Holders, Queue>,
    /// Whose queues they are, by the first number in each.
    order: BTreeMap<u64, Holders>,
    /// How many have ever waited: the number of the next one.
    waited: u64,
}

/// Those of the same holders who wait, in the order in which they came.
#[derive(Default)]
struct Queue {
    amount: u64,
    waiting: BTreeMap<u64, Waiting>,
}

struct Waiting {
    amount: u64,
    given: oneshot::Sender<Share>,
}

/// What somebody has, until it is dropped.
#[must_use]
pub struct Share {
    shared: Arc<Shared>,
    holders: Holders,
    amount: u64,
}

/// Whoever asked has as much waiting as one may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyWait;

impl Shares {
    /// So much, of which a part is kept for who comes next, and for which one may have so much waiting.
    pub fn of_parts(total: u64, most_waiting: u64) -> Self {
        Self::new(total, most_waiting, false)
    }

    /// So many turns, which one may have all as long as nobody else waits.
    pub fn of_turns(total: u64) -> Self {
        Self::new(total, u64::MAX, true)
    }

    fn new(total: u64, most_waiting: u64, greedy: bool) -> Self {
        let state = State {
            free: total,
            greedy,
            held: HashMap::new(),
            waiting: HashMap::new(),
            order: BTreeMap::new(),
            waited: 0,
        };
        Self {
            shared: Arc::new(Shared {
                total,
                most_waiting,
                state: Mutex::new(state),
            }),
        }
    }

    /// Takes so much, at most all of it, and waits for it where that is more than their part. Giving the
    /// wait up leaves the queue.
    ///
    /// # Errors
    /// [`TooManyWait`], at once.
    pub async fn take(&self, holders: Holders, amount: u64) -> Result<Share, TooManyWait> {
        let amount = amount.min(self.shared.total);
        let (mut place, given) = {
            let mut state = self.shared.state();
            if state.may_take(holders, amount) {
                state.take(holders, amount);
                return Ok(self.share(holders, amount));
            }
            let (sender, given) = oneshot::channel();
            let waiting = Waiting {
                amount,
                given: sender,
            };
            let ticket = state.queue(holders, waiting, self.shared.most_waiting)?;
            let place = InQueue {
                shared: &self.shared,
                holders,
                ticket: Some(ticket),
            };
            (place, given)
        };
        match given.await {
            Ok(share) => {
                // Whoever gave it has taken it out of the queue.
                place.ticket = None;
                Ok(share)
            }
            // The sender is dropped with the whole only, which is borrowed here.
            Err(_) => Err(TooManyWait),
        }
    }

    /// As [`Self::take`], where it need not be waited for.
    pub fn try_take(&self, holders: Holders, amount: u64) -> Option<Share> {
        let amount = amount.min(self.shared.total);
        let mut state = self.shared.state();
        state.may_take(holders, amount).then(|| {
            state.take(holders, amount);
            self.share(holders, amount)
        })
    }

    /// Whether these should give back what they do not need: some of theirs are waiting, or hardly anything is
    /// left.
    pub fn is_short(&self, holders: Holders) -> bool {
        let state = self.shared.state();
        state.waiting.contains_key(&holders) || state.free < self.shared.total.div_ceil(8)
    }

    /// Whether anybody waits, or hardly anything is left.
    pub fn is_scarce(&self) -> bool {
        let state = self.shared.state();
        !state.waiting.is_empty() || state.free < self.shared.total.div_ceil(8)
    }

    fn share(&self, holders: Holders, amount: u64) -> Share {
        Share {
            shared: Arc::clone(&self.shared),
            holders,
            amount,
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shared.state().give_back(self.holders, self.amount);
        self.shared.hand_over();
    }
}

/// A place in the queue, left on drop.
struct InQueue<'a> {
    shared: &'a Shared,
    holders: Holders,
    ticket: Option<u64>,
}

impl Drop for InQueue<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared.state().leave(self.holders, ticket);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives what is free to those who wait.
    fn hand_over(self: &Arc<Self>) {
        loop {
            let next = self.state().next();
            let Some((holders, Waiting { amount, given })) = next else {
                return;
            };
            let share = Share {
                shared: Arc::clone(self),
                holders,
                amount,
            };
            // Who has gone away in this very moment drops it, which hands it over again.
            drop(given.send(share));
        }
    }
}

impl State {
    fn held_by(&self, holder: Holder) -> u64 {
        self.held.get(&holder).copied().unwrap_or(0)
    }

    /// What they hold: the account, where there is one, then the address.
    fn held_by_both(&self, holders: Holders) -> (u64, u64) {
        let address = holders.address.map(Holder::Address);
        let address = address.map_or(0, |holder| self.held_by(holder));
        let account = holders.account.map(Holder::Account);
        let account = account.map_or(address, |holder| self.held_by(holder));
        (account, address)
    }

    fn may_take(&self, holders: Holders, amount: u64) -> bool {
        if amount > self.free {
            return false;
        }
        self.greedy
            || holders.each().all(|holder| {
                let held = self.held_by(holder);
                let divisor = match holder {
                    Holder::Account(_) => 2,
                    Holder::Address(_) => 1,
                };
                held == 0 || held.saturating_add(amount) <= self.free / divisor
            })
    }

    fn take(&mut self, holders: Holders, amount: u64) {
        self.free -= amount;
        for holder in holders.each() {
            *self.held.entry(holder).or_default() += amount;
        }
    }

    fn give_back(&mut self, holders: Holders, amount: u64) {
        self.free += amount;
        for holder in holders.each() {
            if let Some(held) = self.held.get_mut(&holder) {
                *held -= amount;
                if *held == 0 {
                    self.held.remove(&holder);
                }
            }
        }
    }

    /// Takes what the next one waits for who may have it. Who holds nothing ends the search, so that it is as
    /// long as there are holders, however many wait.
    fn next(&mut self) -> Option<(Holders, Waiting)> {
        if self.free == 0 {
            return None;
        }
        let mut best: Option<((u64, u64), u64, Holders)> = None;
        for (ticket, holders) in &self.order {
            let held = self.held_by_both(*holders);
            if best.is_some_and(|(least, ..)| least <= held) {
                continue;
            }
            let queue = self.waiting.get(holders)?;
            let waiting = queue.waiting.get(ticket)?;
            if self.may_take(*holders, waiting.amount) {
                best = Some((held, *ticket, *holders));
                if held == (0, 0) {
                    break;
                }
            }
        }
        let (_, ticket, holders) = best?;
        let waiting = self.leave(holders, ticket)?;
        self.take(holders, waiting.amount);
        Some((holders, waiting))
    }

    /// Lets somebody wait: the number of their place.
    fn queue(&mut self, holders: Holders, waiting: Waiting, most: u64) -> Result<u64, TooManyWait> {
        let there = self.waiting.get(&holders).map_or(0, |queue| queue.amount);
        if there.saturating_add(waiting.amount) > most {
            return Err(TooManyWait);
        }
        let ticket = self.waited;
        self.waited += 1;
        let queue = self.waiting.entry(holders).or_default();
        if queue.waiting.is_empty() {
            self.order.insert(ticket, holders);
        }
        queue.amount += waiting.amount;
        queue.waiting.insert(ticket, waiting);
        Ok(ticket)
    }

    fn leave(&mut self, holders: Holders, ticket: u64) -> Option<Waiting> {
        let queue = self.waiting.get_mut(&holders)?;
        let left = queue.waiting.remove(&ticket)?;
        queue.amount -= left.amount;
        let first = queue.waiting.first_key_value().map(|(first, _)| *first);
        if self.order.remove(&ticket).is_some()
            && let Some(first) = first
        {
            self.order.insert(first, holders);
        }
        if first.is_none() {
            self.waiting.remove(&holders);
        }
        Some(left)
    }
}
