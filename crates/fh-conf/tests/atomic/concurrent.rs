//! Thirty at a time.

use fh_conf::atomic::Outcome;
use fh_conf::netrc::Netrc;

use super::{BEFORE, assert_all_there, host, names, set_entry, start};

#[test]
fn thirty_threads_leave_thirty_entries() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("netrc");
    std::fs::write(&path, BEFORE).expect("written");
    std::thread::scope(|scope| {
        for number in 0..30 {
            let path = &path;
            scope.spawn(move || {
                let edited = set_entry(path, &host(number), "secret").expect("an entry");
                assert_eq!(edited.outcome, Outcome::Replaced);
            });
        }
    });
    assert_all_there(&path);
    assert_eq!(names(directory.path()), ["netrc"]);
}

#[test]
fn thirty_processes_leave_thirty_entries() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("netrc");
    let real = directory.path().join("real/netrc");
    std::fs::create_dir(directory.path().join("real")).expect("a directory");
    std::fs::write(&real, BEFORE).expect("written");
    std::os::unix::fs::symlink("real/netrc", &path).expect("a link");
    // Half of them by a link: the lock is that of the file.
    let children: Vec<_> = (0..30)
        .map(|number| {
            start(
                &number.to_string(),
                if number % 2 == 0 { &path } else { &real },
            )
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("its end").success());
    }
    assert_all_there(&real);
    assert!(path.is_symlink());
    assert_eq!(names(&directory.path().join("real")), ["netrc"]);
}

#[test]
fn thirty_threads_make_one_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("new/nix/netrc");
    let made = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for number in 0..30 {
            let (path, made) = (&path, &made);
            scope.spawn(move || {
                let edited = set_entry(path, &host(number), "secret").expect("an entry");
                if edited.outcome == Outcome::Created {
                    made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(made.into_inner(), 1);
    let netrc = Netrc::parse(&std::fs::read(&path).expect("the file")).expect("understood");
    assert_eq!(netrc.hosts().len(), 30);
}
