//! Whether a token may be renewed, and until when the new one lasts.
//!
//! ```text
//! first_at        created_at        now      expires_at         until
//!    ├─ … renewals ─┼────────────────┼───────────┼────────────────┤
//!                                            = the earliest of
//!                               now + lifetime,  now + max_lifetime,
//!                               first_at + max_renewal,  ends_by
//! ```
//!
//! Invariant: a renewal never ends later than any of these four, whatever was renewed before.

use fh_api::{RenewalRule, UserKind};

/// By when the last renewal of a token has to end that is made with this one for another account; none where only the
/// server's limits count. `renewable`: whether those who decide about this one let it be renewed.
#[must_use]
pub fn ends_by_for_another(maker: &RenewalFacts, renewable: bool) -> Option<i64> {
    if renewable {
        maker.ends_by
    } else {
        Some(maker.expires_at)
    }
}

/// Whether a rule lets an account of this kind renew its tokens.
#[must_use]
pub fn allows(rule: RenewalRule, kind: UserKind) -> bool {
    match rule {
        RenewalRule::Everybody => true,
        RenewalRule::People => kind == UserKind::Human,
        RenewalRule::Nobody => false,
    }
}

/// What is known of a token that is valid. Times are seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewalFacts {
    /// When the token that is to be renewed ends.
    pub expires_at: i64,
    /// When the first token of its chain of renewals was made.
    pub first_at: i64,
    /// For how long that one was meant to last, in seconds.
    pub lifetime: i64,
    /// When the last renewal has to end at the latest; none where only the server's limits count.
    pub ends_by: Option<i64>,
}

/// What a server allows, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewalLimits {
    /// How long a token lasts at most.
    pub max_lifetime: i64,
    /// How long a token and its renewals last together at most.
    pub max_renewal: i64,
}

/// Why a token cannot be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalError {
    /// It lasts as long as the token that created it does, or as the rotation that replaced it has left it.
    Bound,
    /// It lasts as long as the server lets a token and its renewals last.
    MaxRenewal,
    /// It lasts longer than a new one would: the server's maximum is less than it was. Worth another try at that
    /// time.
    LastsLonger(i64),
}

/// When a token ends that renews this one now; never earlier than this one does.
///
/// # Errors
/// Where it would, or where a limit is reached.
pub fn until(now: i64, facts: &RenewalFacts, limits: RenewalLimits) -> Result<i64, RenewalError> {
    let RenewalFacts {
        expires_at,
        first_at,
        lifetime,
        ends_by,
    } = *facts;
    if ends_by.is_some_and(|by| by <= expires_at) {
        return Err(RenewalError::Bound);
    }
    let over = first_at.saturating_add(limits.max_renewal);
    if over <= expires_at {
        return Err(RenewalError::MaxRenewal);
    }
    let lifetime = lifetime.min(limits.max_lifetime);
    let full = now.saturating_add(lifetime);
    if full < expires_at {
        return Err(RenewalError::LastsLonger(
            expires_at.saturating_sub(lifetime),
        ));
    }
    Ok(full.min(over).min(ends_by.unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400;

    const LIMITS: RenewalLimits = RenewalLimits {
        max_lifetime: 730 * DAY,
        max_renewal: 365 * DAY,
    };

    /// A token of day 0 that lasts 90 days.
    const FACTS: RenewalFacts = RenewalFacts {
        expires_at: 90 * DAY,
        first_at: 0,
        lifetime: 90 * DAY,
        ends_by: None,
    };

    #[test]
    fn the_nearest_limit_counts() {
        let ending = |day: i64| RenewalFacts {
            expires_at: day * DAY,
            ..FACTS
        };
        let bound = |day: i64| RenewalFacts {
            ends_by: Some(day * DAY),
            ..FACTS
        };
        let short = RenewalLimits {
            max_lifetime: 30 * DAY,
            ..LIMITS
        };
        let never = RenewalLimits {
            max_renewal: 0,
            ..LIMITS
        };
        let day = |day: i64| Ok(day * DAY);
        use RenewalError::{Bound, LastsLonger, MaxRenewal};
        for (what, now, facts, limits, expected) in [
            ("a full lifetime", 84, FACTS, LIMITS, day(174)),
            ("at once: nothing is gained", 0, FACTS, LIMITS, day(90)),
            ("the second time", 160, ending(174), LIMITS, day(250)),
            ("near the end", 340, ending(350), LIMITS, day(365)),
            ("at the end", 350, ending(365), LIMITS, Err(MaxRenewal)),
            ("a longer one", 1, ending(730), LIMITS, Err(MaxRenewal)),
            ("renewals are off", 80, FACTS, never, Err(MaxRenewal)),
            ("its parent ends later", 80, bound(100), LIMITS, day(100)),
            ("its parent ends with it", 80, bound(90), LIMITS, Err(Bound)),
            ("its parent ended before", 80, bound(85), LIMITS, Err(Bound)),
            (
                "its parent counts first",
                350,
                RenewalFacts {
                    ends_by: Some(365 * DAY),
                    ..ending(365)
                },
                LIMITS,
                Err(Bound),
            ),
            (
                "of two limits the nearer",
                340,
                RenewalFacts {
                    ends_by: Some(360 * DAY),
                    ..ending(350)
                },
                LIMITS,
                day(360),
            ),
            (
                "of two limits the other one",
                340,
                RenewalFacts {
                    ends_by: Some(370 * DAY),
                    ..ending(350)
                },
                LIMITS,
                day(365),
            ),
            ("the maximum is less now", 80, FACTS, short, day(110)),
            (
                "and it lasts longer",
                10,
                FACTS,
                short,
                Err(LastsLonger(60 * DAY)),
            ),
            // It was cut short by a limit that is higher now.
            ("its full life again", 70, ending(75), LIMITS, day(160)),
        ] {
            assert_eq!(until(now * DAY, &facts, limits), expected, "{what}");
        }
    }

    #[test]
    fn what_is_made_for_another_is_bound_as_its_maker_is() {
        let bound = |ends_by| RenewalFacts { ends_by, ..FACTS };
        for (maker, renewable, expected) in [
            (bound(None), true, None),
            (bound(None), false, Some(FACTS.expires_at)),
            (bound(Some(100 * DAY)), true, Some(100 * DAY)),
            (bound(Some(100 * DAY)), false, Some(FACTS.expires_at)),
            (bound(Some(50 * DAY)), true, Some(50 * DAY)),
        ] {
            let ends_by = ends_by_for_another(&maker, renewable);
            assert_eq!(ends_by, expected, "{maker:?} {renewable}");
        }
    }

    #[test]
    fn who_may() {
        use RenewalRule::{Everybody, Nobody, People};
        use UserKind::{Human, Service};
        for (rule, kind, allowed) in [
            (People, Human, true),
            (People, Service, false),
            (Everybody, Human, true),
            (Everybody, Service, true),
            (Nobody, Human, false),
            (Nobody, Service, false),
        ] {
            assert_eq!(allows(rule, kind), allowed, "{rule} {kind}");
        }
    }

    proptest! {
        /// However often and at whichever times a chain is renewed: never earlier than before, and within all limits.
        #[test]
        fn no_chain_of_renewals_outlives_its_limits(
            life in 1_i64..1000,
            max_lifetime in 1_i64..1000,
            max_renewal in 0_i64..5000,
            ends_by in prop::option::of(1_i64..5000),
            waits in prop::collection::vec(0_i64..300, 0..40),
        ) {
            let limits = RenewalLimits { max_lifetime, max_renewal };
            let mut facts = RenewalFacts {
                expires_at: life,
                first_at: 0,
                lifetime: life,
                ends_by,
            };
            let mut now = 0;
            for wait in waits {
                now += wait;
                if now >= facts.expires_at {
                    break;
                }
                let Ok(until) = until(now, &facts, limits) else {
                    continue;
                };
                prop_assert!(until >= facts.expires_at);
                prop_assert!(until <= now + life.min(max_lifetime));
                prop_assert!(until <= max_renewal);
                prop_assert!(ends_by.is_none_or(|by| until <= by));
                facts.expires_at = until;
            }
        }
    }
}
