//! Of what state a decision is.
//!
//! A request is authorised before its body is read and before the writing connection is free, and
//! either may take a while. What was true then may not be true any more when the transaction begins:
//! the one who asked was removed, or the token revoked. So each transaction is given the state of which
//! it was decided, and does not begin where that state has passed. Whoever is told
//! [`super::DatabaseError::Stale`] decides again.

use super::{Generation, Timestamp};

/// Of what state the decision is that a transaction carries out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// The access generation of which everything was read that decided; none where nothing that was
    /// read before the transaction did.
    access: Option<u64>,
    /// When what the caller has shown ends.
    until: Option<Timestamp>,
    /// Whether it is carried out in a turn that was waited for already ([`super::Database::turn`]).
    in_turn: bool,
    /// What it may do where there is no room left.
    without_room: WithoutRoom,
    /// For which account it is counted where the reserve is used, internal id; none where it is not.
    counted_for: Option<i64>,
}

/// What is done where there is no room left on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WithoutRoom {
    /// Nothing is done until there is room.
    Wait,
    /// It is tried: it is little, or makes room.
    Try,
    /// The reserve is given up for it.
    TakeReserve,
}

impl Decided {
    /// By facts of this generation, or newer ones. Who decides asks for the generation *before* reading
    /// them.
    pub fn at(generation: Generation) -> Self {
        Self {
            access: Some(generation.access),
            until: None,
            in_turn: false,
            without_room: WithoutRoom::Wait,
            counted_for: None,
        }
    }

    /// The same, where nobody gets anything by it and somebody loses access. It is done on a full disk too: see
    /// [`crate::room`].
    pub fn taking_away(self) -> Self {
        Self {
            without_room: WithoutRoom::TakeReserve,
            ..self
        }
    }

    /// [`Self::taking_away`] if that is so, else the same.
    pub fn taking_away_if(self, takes_away: bool) -> Self {
        if takes_away { self.taking_away() } else { self }
    }

    /// The same, where it can wait until there is room.
    pub fn with_room(self) -> Self {
        Self {
            without_room: WithoutRoom::Wait,
            ..self
        }
    }

    /// Whether the reserve may be given up for it.
    pub(super) fn takes_away(self) -> bool {
        self.without_room == WithoutRoom::TakeReserve
    }

    /// The same by an account that does so much and no more where the reserve is used: see [`crate::room`].
    pub fn counted_for(self, account_id: i64) -> Self {
        Self {
            counted_for: Some(account_id),
            ..self
        }
    }

    /// The same, of which there cannot be much.
    pub fn uncounted(self) -> Self {
        Self {
            counted_for: None,
            ..self
        }
    }

    /// For which account it is counted.
    pub(super) fn counts_for(self) -> Option<i64> {
        self.counted_for
    }

    /// Whether it is tried where the reserve was given up.
    pub(super) fn uses_reserve(self) -> bool {
        self.without_room != WithoutRoom::Wait
    }

    /// The same for a caller whose credentials end then.
    pub fn until(self, end: Timestamp) -> Self {
        Self {
            until: Some(end),
            ..self
        }
    }

    /// The same by whoever holds the turn.
    pub fn in_turn(self) -> Self {
        Self {
            in_turn: true,
            ..self
        }
    }

    /// Whether a change of access by it waits for its turn. What does not depend on a generation makes
    /// no other decision wait.
    pub(super) fn waits(self) -> bool {
        self.access.is_some() && !self.in_turn
    }

    /// By nobody: it is the server's own work, such as starting, counting and collecting.
    pub fn by_server() -> Self {
        Self {
            access: None,
            until: None,
            in_turn: false,
            without_room: WithoutRoom::Try,
            counted_for: None,
        }
    }

    /// By the transaction itself, which reads all that it depends on.
    pub fn inside() -> Self {
        Self::by_server().with_room()
    }

    /// Later: what is written counts for nothing until another transaction, decided anew, takes it up.
    pub fn later() -> Self {
        Self::by_server().with_room()
    }

    /// Whether it stands at that generation and time.
    pub(super) fn stands(self, generation: Generation, at: Timestamp) -> bool {
        self.access.is_none_or(|access| access == generation.access)
            && self.until.is_none_or(|until| at < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::now;

    fn generation(access: u64, directory: u64) -> Generation {
        Generation { access, directory }
    }

    #[test]
    fn a_decision_stands_until_access_changes_or_the_credentials_end() {
        let now = now();
        let decided = Decided::at(generation(3, 1));
        assert!(decided.stands(generation(3, 1), now));
        assert!(!decided.stands(generation(4, 1), now));
        assert!(!decided.stands(generation(2, 1), now));
        let ending = decided.until(now.plus_seconds(10));
        assert!(ending.stands(generation(3, 1), now.plus_seconds(9)));
        assert!(!ending.stands(generation(3, 1), now.plus_seconds(10)));
        assert!(!ending.stands(generation(4, 1), now));
    }

    #[test]
    fn what_nobody_asked_for_always_stands() {
        for decided in [Decided::by_server(), Decided::inside(), Decided::later()] {
            assert!(decided.stands(generation(7, 7), now()));
        }
    }
}
