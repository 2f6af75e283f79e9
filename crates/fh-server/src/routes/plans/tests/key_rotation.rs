//! When keys may be rotated.

use std::time::Duration;

use fh_access::ApiError;
use fh_persistence::database::keys::{KeyOwner, KeyState, StoredKey};

use super::super::key_rotation::{Facts, decide};
use super::examples::{DAY, at};

fn key(state: KeyState, day: u64) -> StoredKey {
    StoredKey {
        name: format!("cache.example.org-{day}"),
        secret: String::new().into(),
        state,
        owner: Some(KeyOwner::Server),
        created_at: at(day),
        retired_at: None,
    }
}

/// The active key of day 0 and a standby of that day; with `retired` one that was rotated before.
fn facts(retired: bool, standby: u64, today: u64) -> Facts {
    let mut stored = vec![key(KeyState::Active, 0), key(KeyState::Standby, standby)];
    stored.extend(retired.then(|| key(KeyState::Retired, 0)));
    Facts {
        is_there: true,
        stored,
        at: at(today),
    }
}

#[test]
fn clients_have_the_time_to_learn_the_standby_key() {
    let early = Ok(true);
    let (good, refused) = (Ok(false), Err(()));
    for (what, retired, standby, today, min_age, is_forced, expected) in [
        ("the first", false, 0, 0, 30, false, good),
        ("the second, at once", true, 10, 10, 30, false, refused),
        ("at once, by force", true, 10, 10, 30, true, early),
        ("a day before", true, 10, 39, 30, false, refused),
        ("on the day", true, 10, 40, 30, false, good),
        ("on the day, by force", true, 10, 40, 30, true, good),
        ("of few days", true, 10, 18, 7, false, good),
        ("of many days", true, 10, 41, 365, false, refused),
        ("no age is asked for", true, 10, 10, 0, false, good),
    ] {
        let age = Duration::from_secs(min_age * DAY);
        let decided = decide(&facts(retired, standby, today), age, is_forced);
        let decided = decided.map(|plan| plan.is_early);
        if let Err(error) = &decided {
            let message = error.message();
            for part in [at(standby), at(standby + min_age)] {
                assert!(message.contains(&part.to_string()), "{what}: {message}");
            }
        }
        assert_eq!(decided.map_err(|_| ()), expected, "{what}");
    }
}

#[test]
fn of_an_organisation_that_is_gone_nothing_is_told() {
    let facts = Facts {
        is_there: false,
        ..facts(true, 0, 0)
    };
    let refused = decide(&facts, Duration::from_secs(DAY), true);
    assert!(matches!(refused, Err(ApiError::NotFound)));
}
