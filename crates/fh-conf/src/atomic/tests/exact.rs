//! Tests of plans that are carried out exactly, and of the lock for a longer act.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::atomic::{hold, missing_directories, remove_empty_directories, replace_exactly};

#[test]
fn a_plan_is_carried_out_on_what_it_was_made_for_only() {
    let place = Place::new();
    let options = EditOptions::private();
    let path = place.path("nix/netrc");
    let done = replace_exactly(&path, &options, None, Some(b"one")).unwrap();
    assert_eq!(done.outcome, Outcome::Created);
    let done = replace_exactly(&path, &options, Some(b"one"), Some(b"two")).unwrap();
    assert_eq!(done.outcome, Outcome::Replaced);
    // Carried out already, be it by another.
    for before in [None, Some(&b"one"[..])] {
        let done = replace_exactly(&path, &options, before, Some(b"two")).unwrap();
        assert_eq!(done.outcome, Outcome::Unchanged);
    }
    for (before, after) in [
        (None, Some(&b"three"[..])),
        (Some(&b"one"[..]), Some(b"three")),
        (Some(b"one"), None),
        (None, None),
    ] {
        let refused = replace_exactly(&path, &options, before, after);
        assert!(
            matches!(&refused, Err(Error::ChangedMeanwhile { path: named }) if *named == path),
            "{refused:?}"
        );
    }
    assert_content(&path, "two");
    let done = replace_exactly(&path, &options, Some(b"two"), None).unwrap();
    assert_eq!((done.outcome, path.exists()), (Outcome::Removed, false));
    let done = replace_exactly(&path, &options, Some(b"two"), None).unwrap();
    assert_eq!(done.outcome, Outcome::Unchanged);
    let gone = replace_exactly(&path, &options, Some(b"two"), Some(b"three"));
    assert!(matches!(gone, Err(Error::ChangedMeanwhile { .. })));
    assert_eq!(fs::read_dir(place.path("nix")).unwrap().count(), 0);
}

#[test]
fn a_plan_that_changes_nothing_may_still_tighten() {
    let place = Place::new();
    let path = place.file("netrc", "one", 0o644);
    let done = replace_exactly(&path, &EditOptions::private(), Some(b"one"), Some(b"one")).unwrap();
    assert_eq!(
        (done.outcome, done.tightened_from, mode(&path)),
        (Outcome::Unchanged, Some(0o644), 0o600)
    );
}

#[test]
fn directories_that_were_made_can_go_again() {
    let place = Place::new();
    symlink(place.path("real"), place.path("link")).unwrap();
    fs::create_dir(place.path("real")).unwrap();
    let path = place.path("link/a/b/netrc");
    let missing = missing_directories(&path).unwrap();
    assert_eq!(missing, [place.path("real/a"), place.path("real/a/b")]);
    replace_exactly(&path, &EditOptions::private(), None, Some(b"x")).unwrap();
    assert!(missing_directories(&path).unwrap().is_empty());
    remove_empty_directories(&missing);
    assert_content(&path, "x");
    replace_exactly(&path, &EditOptions::private(), Some(b"x"), None).unwrap();
    remove_empty_directories(&missing);
    assert!(!place.path("real/a").exists() && place.path("real").exists());
}

#[test]
fn one_at_a_time_holds_the_lock() {
    let place = Place::new();
    let path = place.path("fh/login");
    let held = hold(&path, 0o700, Duration::ZERO).unwrap();
    assert_eq!(mode(&place.path("fh")), 0o700);
    assert!(matches!(
        hold(&path, 0o700, Duration::from_millis(20)),
        Err(Error::Locked { .. })
    ));
    // Another path is another lock.
    drop(hold(&place.path("fh/other"), 0o700, Duration::ZERO).unwrap());
    drop(held);
    drop(hold(&path, 0o700, Duration::ZERO).unwrap());
    assert_eq!(fs::read_dir(place.path("fh")).unwrap().count(), 0);
}

#[test]
fn a_directory_that_others_remove_is_made_again() {
    let place = Place::new();
    let options = EditOptions::private();
    let others = AtomicUsize::new(3);
    let remove = || {
        while others.load(Ordering::Relaxed) > 0 {
            remove_empty_directories(&[place.path("fh"), place.path("fh/tokens")]);
            // Without it the kernel hands the directory to this thread after each `mkdir`, without end.
            std::thread::sleep(Duration::from_micros(200));
        }
    };
    let log_in_and_out = |number: usize| {
        let file = place.path(&format!("fh/tokens/{number}"));
        for _ in 0..100 {
            let held = hold(&place.path("fh/setup"), 0o700, options.lock_timeout).unwrap();
            replace_exactly(&file, &options, None, Some(b"x")).unwrap();
            replace_exactly(&file, &options, Some(b"x"), None).unwrap();
            drop(held);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(remove);
        for number in 0..others.load(Ordering::Relaxed) {
            scope.spawn({
                let (others, log_in_and_out) = (&others, &log_in_and_out);
                move || {
                    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        log_in_and_out(number);
                    }));
                    others.fetch_sub(1, Ordering::Relaxed);
                    result.unwrap();
                }
            });
        }
    });
    // What cannot be made is said all the same, and soon.
    let begin = std::time::Instant::now();
    assert!(
        hold(
            Path::new("/proc/self/nowhere/x"),
            0o700,
            options.lock_timeout
        )
        .is_err()
    );
    assert!(begin.elapsed() < Duration::from_secs(10));
}
