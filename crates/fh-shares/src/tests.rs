use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn account(id: i64) -> Holders {
    Holders::new(Some(id), None)
}

fn at(account: i64, address: &str) -> Holders {
    Holders::new(Some(account), Some(address.parse().unwrap()))
}

fn from(address: &str) -> Holders {
    Holders::new(None, Some(address.parse().unwrap()))
}

/// All that somebody can get.
fn greedy(shares: &Shares, holders: Holders) -> Vec<Share> {
    std::iter::from_fn(|| shares.try_take(holders, 1)).collect()
}

#[test]
fn no_address_holds_more_than_what_is_left_then() {
    let shares = Shares::of_parts(64, 64);
    let first = greedy(&shares, from("192.0.2.1"));
    assert_eq!(first.len(), 32);
    // The next ones always find something, less and less of it.
    let mut held = vec![first];
    for number in 2..8 {
        let next = greedy(&shares, from(&format!("192.0.2.{number}")));
        assert!(!next.is_empty(), "{number}");
        assert!(next.len() <= held.last().unwrap().len(), "{number}");
        held.push(next);
    }
    held.clear();
    assert_eq!(greedy(&shares, from("192.0.2.9")).len(), 32);
}

#[test]
fn an_account_leaves_something_for_others_of_its_address() {
    let shares = Shares::of_parts(64, 64);
    let first = greedy(&shares, at(1, "192.0.2.1"));
    assert_eq!(first.len(), 21);
    let second = greedy(&shares, at(2, "192.0.2.1"));
    assert!(second.len() >= 8, "{}", second.len());
    let third = greedy(&shares, at(3, "192.0.2.2"));
    assert!(third.len() >= 8, "{}", third.len());
}

#[test]
fn an_account_with_many_addresses_and_an_address_with_many_accounts_are_one() {
    let shares = Shares::of_parts(64, 64);
    let spread: Vec<Share> = (0..100)
        .filter_map(|number| shares.try_take(at(1, &format!("192.0.2.{number}")), 1))
        .collect();
    assert_eq!(spread.len(), 21);
    drop(spread);
    let crowd: Vec<Share> = (0..100)
        .filter_map(|id| shares.try_take(at(id, &format!("2001:db8::{id}")), 1))
        .collect();
    assert_eq!(crowd.len(), 32);
    // Somebody else somewhere else.
    assert!(shares.try_take(at(200, "2001:db8:0:1::1"), 1).is_some());
}

#[test]
fn of_an_address_of_ipv6_the_first_half_counts() {
    let at = |text: &str| neighbourhood(text.parse().unwrap());
    assert_eq!(at("2001:db8:1:2:3:4:5:6"), at("2001:db8:1:2::1"));
    assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
    assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
}

#[test]
fn who_is_nobody_is_bounded_by_the_whole_alone() {
    let shares = Shares::of_parts(8, 8);
    let all = greedy(&shares, Holders::default());
    assert_eq!(all.len(), 8);
}

#[test]
fn amounts_are_counted() {
    let shares = Shares::of_parts(100, 100);
    let half = shares.try_take(from("192.0.2.1"), 50).unwrap();
    assert!(shares.try_take(from("192.0.2.1"), 1).is_none());
    assert!(shares.try_take(account(2), 51).is_none());
    let quarter = shares.try_take(account(2), 25).unwrap();
    drop((half, quarter));
    // More than there is, is all of it.
    let all = shares.try_take(account(1), 1000).unwrap();
    assert!(shares.try_take(account(2), 1).is_none());
    drop(all);
    assert!(shares.try_take(account(2), 100).is_some());
}

/// Asks, and lets it come to rest.
async fn waiting(
    shares: &Shares,
    holders: Holders,
) -> tokio::task::JoinHandle<Result<Share, TooManyWait>> {
    let asked = shares.clone();
    let task = tokio::spawn(async move { asked.take(holders, 1).await });
    tokio::task::yield_now().await;
    task
}

#[tokio::test]
async fn who_holds_least_goes_first_then_who_came_first() {
    let shares = Shares::of_parts(4, 4);
    let mut all: VecDeque<Share> = (0..4)
        .map(|_| shares.try_take(Holders::default(), 1).unwrap())
        .collect();
    // Of the first one three wait, and of the second one, who came last.
    let mut greedy = VecDeque::new();
    for _ in 0..3 {
        greedy.push_back(waiting(&shares, from("192.0.2.1")).await);
    }
    let modest = waiting(&shares, from("192.0.2.2")).await;
    assert!(shares.is_short(from("192.0.2.1")) && shares.is_scarce());
    all.pop_front();
    let first = greedy.pop_front().unwrap().await.unwrap().unwrap();
    all.pop_front();
    let modest = modest.await.unwrap().unwrap();
    all.pop_front();
    tokio::task::yield_now().await;
    // One is free, and the first one holds one already.
    assert!(!greedy[0].is_finished());
    drop(modest);
    let _second = greedy.pop_front().unwrap().await.unwrap().unwrap();
    drop(first);
    drop(all);
    drop(greedy.pop_front().unwrap().await.unwrap().unwrap());
    assert!(!shares.is_scarce());
}

#[tokio::test]
async fn turns_are_given_in_turn_and_kept_for_nobody() {
    let shares = Shares::of_turns(2);
    let mut mine = greedy(&shares, account(1));
    assert_eq!(mine.len(), 2);
    let more = waiting(&shares, account(1)).await;
    let other = waiting(&shares, account(2)).await;
    mine.pop();
    // The second came later, and holds less.
    let other = other.await.unwrap().unwrap();
    assert!(!more.is_finished());
    drop(other);
    drop(more.await.unwrap().unwrap());
}

#[tokio::test]
async fn who_gives_up_takes_nothing_along() {
    let shares = Shares::of_parts(2, 2);
    let held: Vec<Share> = (0..2)
        .map(|_| shares.try_take(Holders::default(), 1).unwrap())
        .collect();
    for _ in 0..1000 {
        let take = shares.take(account(1), 1);
        let gave_up = tokio::time::timeout(Duration::ZERO, take).await;
        assert!(gave_up.is_err());
    }
    assert!(shares.shared.state().waiting.is_empty());
    assert!(shares.shared.state().order.is_empty());
    // One that is given and never taken.
    let task = waiting(&shares, account(1)).await;
    drop(held);
    task.abort();
    let _ = task.await;
    assert_eq!(greedy(&shares, Holders::default()).len(), 2);
}

#[tokio::test]
async fn nobody_has_more_waiting_than_one_may() {
    let shares = Shares::of_parts(4, 4);
    let _all: Vec<Share> = greedy(&shares, Holders::default());
    let mut tasks = Vec::new();
    for _ in 0..4 {
        tasks.push(waiting(&shares, account(1)).await);
    }
    assert_eq!(shares.take(account(1), 1).await.err(), Some(TooManyWait));
    let other = waiting(&shares, account(2)).await;
    assert!(!other.is_finished());
    for task in tasks {
        task.abort();
    }
    other.abort();
}

proptest! {
    /// Whatever is taken and given back: nothing is lost, nothing is given twice, and nobody has more
    /// than was left then.
    #[test]
    fn any_history(steps in proptest::collection::vec((0_i64..5, 1_u64..9, any::<bool>()), 0..200)) {
        let shares = Shares::of_parts(20, 20);
        let mut held: Vec<(i64, u64, Share)> = Vec::new();
        for (id, amount, gives_back) in steps {
            if gives_back && !held.is_empty() {
                let index = usize::try_from(id).unwrap() % held.len();
                drop(held.swap_remove(index));
            } else {
                let taken: u64 = held.iter().map(|(_, amount, _)| amount).sum();
                let own: u64 = held.iter().filter(|(of, ..)| *of == id).map(|(_, amount, _)| amount).sum();
                let share = shares.try_take(account(id), amount);
                let free = 20 - taken;
                let may = amount <= free && (own == 0 || own + amount <= free / 2);
                prop_assert_eq!(share.is_some(), may);
                held.extend(share.map(|share| (id, amount, share)));
            }
        }
        held.clear();
        prop_assert_eq!(shares.shared.state().free, 20);
        prop_assert!(shares.shared.state().held.is_empty());
    }
}
