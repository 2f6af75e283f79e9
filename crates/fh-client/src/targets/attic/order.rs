//! In which order paths are sent: each after all that it refers to, and of those that may go, the one
//! first that most depends on.

use std::collections::{BTreeMap, BinaryHeap};

use fh_nix::{PathInfo, StorePath};

/// What is still to be sent. Paths are known by their index.
#[derive(Debug)]
pub(super) struct Order {
    /// How many references of a path are not there yet.
    waiting_for: Vec<usize>,
    /// Who refers to a path.
    referrers: Vec<Vec<usize>>,
    /// Bytes on the longest way from a path to one that nothing refers to.
    weights: Vec<u64>,
    /// Those that may be sent, by weight, with their index.
    ready: BinaryHeap<(u64, usize)>,
    under_way: usize,
    state: Vec<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Begun,
    Over,
}

impl Order {
    pub(super) fn new(infos: &[&PathInfo]) -> Self {
        let indices: BTreeMap<&StorePath, usize> = infos
            .iter()
            .enumerate()
            .map(|(index, info)| (&info.path, index))
            .collect();
        let mut order = Self {
            waiting_for: vec![0; infos.len()],
            referrers: vec![Vec::new(); infos.len()],
            weights: infos.iter().map(|info| info.nar_size).collect(),
            ready: BinaryHeap::new(),
            under_way: 0,
            state: vec![State::Waiting; infos.len()],
        };
        for (index, info) in infos.iter().enumerate() {
            for reference in info.references.iter().filter(|path| **path != info.path) {
                if let Some(&reference) = indices.get(reference) {
                    order.waiting_for[index] += 1;
                    order.referrers[reference].push(index);
                }
            }
        }
        order.weigh();
        for index in 0..infos.len() {
            if order.waiting_for[index] == 0 {
                order.ready.push((order.weights[index], index));
            }
        }
        order
    }

    /// Adds to each path's weight the heaviest of its referrers', which are weighed before it.
    fn weigh(&mut self) {
        let mut waiting_for = self.waiting_for.clone();
        let mut sorted: Vec<usize> = (0..waiting_for.len())
            .filter(|&index| waiting_for[index] == 0)
            .collect();
        let mut next = 0;
        while let Some(&index) = sorted.get(next) {
            next += 1;
            for &referrer in &self.referrers[index] {
                waiting_for[referrer] -= 1;
                if waiting_for[referrer] == 0 {
                    sorted.push(referrer);
                }
            }
        }
        for &index in sorted.iter().rev() {
            let heaviest = self.referrers[index].iter().map(|&r| self.weights[r]).max();
            self.weights[index] = self.weights[index].saturating_add(heaviest.unwrap_or(0));
        }
    }

    /// The next path to send, if one may be sent now.
    pub(super) fn next(&mut self) -> Option<usize> {
        if self.ready.is_empty() && self.under_way == 0 {
            // References in a circle, which no store has: then no order is better than another.
            let waiting = |&index: &usize| self.state[index] == State::Waiting;
            if let Some(index) = (0..self.state.len()).find(waiting) {
                self.ready.push((self.weights[index], index));
            }
        }
        let index = loop {
            let (_, index) = self.ready.pop()?;
            if self.state[index] == State::Waiting {
                break index;
            }
        };
        self.state[index] = State::Begun;
        self.under_way += 1;
        Some(index)
    }

    /// A path is there: others may go.
    pub(super) fn finished(&mut self, index: usize) {
        self.end(index);
        for &referrer in &self.referrers[index] {
            self.waiting_for[referrer] = self.waiting_for[referrer].saturating_sub(1);
            if self.waiting_for[referrer] == 0 && self.state[referrer] == State::Waiting {
                self.ready.push((self.weights[referrer], referrer));
            }
        }
    }

    /// A path will not be there. Gives back those that refer to it, directly or not, which are not
    /// sent either.
    pub(super) fn failed(&mut self, index: usize) -> Vec<usize> {
        self.end(index);
        let mut withheld = Vec::new();
        let mut pending = self.referrers[index].clone();
        while let Some(referrer) = pending.pop() {
            if self.state[referrer] == State::Waiting {
                self.state[referrer] = State::Over;
                withheld.push(referrer);
                pending.extend_from_slice(&self.referrers[referrer]);
            }
        }
        withheld
    }

    fn end(&mut self, index: usize) {
        if self.state[index] == State::Begun {
            self.state[index] = State::Over;
            self.under_way -= 1;
        }
    }

    /// All that is neither there nor failed; what is under way among it.
    pub(super) fn abandon(&self) -> Vec<usize> {
        (0..self.state.len())
            .filter(|&index| self.state[index] != State::Over)
            .collect()
    }

    /// All that was not begun, which then never will be.
    pub(super) fn give_up(&mut self) -> Vec<usize> {
        let waiting: Vec<usize> = (0..self.state.len())
            .filter(|&index| self.state[index] == State::Waiting)
            .collect();
        for &index in &waiting {
            self.state[index] = State::Over;
        }
        waiting
    }

    /// Whether nothing is left to be sent or under way.
    #[cfg(test)]
    fn is_done(&self) -> bool {
        self.state.iter().all(|state| *state == State::Over)
    }
}

#[cfg(test)]
mod tests {
    use fh_nix::NarHash;
    use proptest::prelude::*;

    use super::*;

    fn path(number: usize) -> StorePath {
        format!("{number:032}-p").parse().unwrap()
    }

    /// Paths with these sizes and references.
    fn infos(of: &[(u64, &[usize])]) -> Vec<PathInfo> {
        let info = |(number, (size, references)): (usize, &(u64, &[usize]))| PathInfo {
            path: path(number),
            nar_hash: NarHash::of(b""),
            nar_size: *size,
            references: references.iter().map(|&number| path(number)).collect(),
            deriver: None,
            signatures: Vec::new(),
            ca: None,
        };
        of.iter().enumerate().map(info).collect()
    }

    fn order(infos: &[PathInfo]) -> Order {
        Order::new(&infos.iter().collect::<Vec<_>>())
    }

    #[test]
    fn what_most_depends_on_goes_first_and_nothing_before_its_references() {
        // 3 → 2 → 0, 3 → 1; 4 is large and alone; each refers to itself.
        let infos = infos(&[
            (1, &[0]),
            (5, &[1]),
            (10, &[0, 2]),
            (100, &[1, 2, 3]),
            (50, &[4]),
        ]);
        let mut order = order(&infos);
        assert_eq!(order.next(), Some(0));
        assert_eq!(order.next(), Some(1));
        assert_eq!(order.next(), Some(4));
        assert_eq!(order.next(), None);
        order.finished(0);
        assert_eq!(order.next(), Some(2));
        order.finished(1);
        assert_eq!(order.next(), None);
        order.finished(2);
        assert_eq!(order.next(), Some(3));
        order.finished(3);
        assert!(!order.is_done());
        order.finished(4);
        assert!(order.is_done());
    }

    #[test]
    fn what_refers_to_a_failed_path_is_withheld() {
        let infos = infos(&[(1, &[]), (1, &[0]), (1, &[1]), (1, &[])]);
        let mut order = order(&infos);
        assert_eq!((order.next(), order.next()), (Some(0), Some(3)));
        assert_eq!(order.failed(0), [1, 2]);
        assert_eq!(order.next(), None);
        order.finished(3);
        assert!(order.is_done());
    }

    #[test]
    fn circles_end() {
        let infos = infos(&[(1, &[1]), (1, &[0])]);
        let mut order = order(&infos);
        while let Some(index) = order.next() {
            order.finished(index);
        }
        assert!(order.is_done());
    }

    proptest! {
        /// Any graph, any course of events: each path is begun once or withheld, and none before
        /// what it refers to is there.
        #[test]
        fn every_course_ends(
            edges in proptest::collection::vec((0usize..12, 0usize..12), 0..40),
            fails in proptest::collection::vec(any::<bool>(), 12),
            at_once in 1usize..5,
        ) {
            let mut references = vec![Vec::new(); 12];
            for (from, to) in edges {
                // Only downwards, so that there are no circles.
                if to < from {
                    references[from].push(to);
                }
            }
            let all: Vec<(u64, &[usize])> = references.iter().map(|r| (1, r.as_slice())).collect();
            let mut order = order(&infos(&all));
            let mut there = [false; 12];
            let mut withheld = 0;
            let mut begun = 0;
            let mut under_way = Vec::new();
            loop {
                while under_way.len() < at_once {
                    let Some(index) = order.next() else { break };
                    prop_assert!(references[index].iter().all(|&reference| there[reference]));
                    begun += 1;
                    under_way.push(index);
                }
                let Some(index) = under_way.pop() else { break };
                if fails[index] {
                    withheld += order.failed(index).len();
                } else {
                    there[index] = true;
                    order.finished(index);
                }
            }
            prop_assert!(order.is_done());
            prop_assert_eq!(begun + withheld, 12);
        }
    }
}
