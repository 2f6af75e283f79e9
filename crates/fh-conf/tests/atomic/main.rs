//! Tests of the atomic writer with several threads and processes, and with processes that are
//! killed.

#![allow(
    clippy::expect_used,
    reason = "test code, also outside of test functions"
)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fh_conf::atomic::{EditOptions, Edited, Outcome, edit_file};
use fh_conf::netrc::Netrc;
use fh_conf::{Error, Result};

/// What a process of [`child`] is to do, and with which file.
const TASK: &str = "FH_CONF_TEST_TASK";
const FILE: &str = "FH_CONF_TEST_FILE";

const BEFORE: &str = "# mine\nmachine a login b password c\ndefault login x password y";

fn set_entry(path: &Path, host: &str, password: &str) -> Result<Edited> {
    edit_file(path, &EditOptions::private(), |content| {
        let mut netrc = Netrc::parse(content.unwrap_or_default())?;
        netrc.set(host, "fh", password)?;
        Ok::<_, Error>(Some(netrc.to_bytes()))
    })
}

fn host(number: usize) -> String {
    format!("cache{number}.example")
}

/// The password of even and of odd rounds: long and short, so that a torn file would be seen.
fn password(round: usize) -> String {
    if round.is_multiple_of(2) {
        "x".repeat(3000)
    } else {
        "y".to_owned()
    }
}

/// Not a test of its own: what the processes of the others run.
#[test]
fn child() {
    let (Ok(task), Some(file)) = (std::env::var(TASK), std::env::var_os(FILE)) else {
        return;
    };
    let path = Path::new(&file);
    if let Ok(number) = task.parse() {
        set_entry(path, &host(number), "secret").expect("an entry");
        return;
    }
    for round in 0.. {
        set_entry(path, "loop.example", &password(round)).expect("an entry");
    }
}

fn start(task: &str, file: &Path) -> Child {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command
        .args(["child", "--exact", "--test-threads=1"])
        .env(TASK, task)
        .env(FILE, file);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("a process")
}

fn assert_all_there(path: &Path) {
    let text = std::fs::read(path).expect("the file");
    let netrc = Netrc::parse(&text).expect("understood");
    for number in 0..30 {
        assert!(
            netrc
                .get(&host(number))
                .expect("an entry")
                .is("fh", "secret"),
            "{number}"
        );
    }
    assert_eq!(netrc.hosts().len(), 31);
    let mut without = netrc;
    for number in 0..30 {
        without.remove(&host(number)).expect("removed");
    }
    assert_eq!(without.as_bytes(), BEFORE.as_bytes());
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("the directory");
    entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

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

#[test]
fn a_kill_at_any_instant_leaves_a_whole_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("netrc");
    std::fs::write(&path, BEFORE).expect("written");
    let whole = [Some(password(0)), Some(password(1)), None].map(|password| {
        let mut netrc = Netrc::parse(BEFORE.as_bytes()).expect("understood");
        if let Some(password) = password {
            netrc.set("loop.example", "fh", &password).expect("set");
        }
        netrc.to_bytes()
    });
    for round in 0..60_u64 {
        let mut child = start("loop", &path);
        // From before its first edit to far into them; the steps are prime to those of the edits.
        std::thread::sleep(Duration::from_micros(500 + round * 977 % 30_011));
        child.kill().expect("killed");
        child.wait().expect("its end");
        let content = std::fs::read(&path).expect("the file");
        assert!(
            whole.contains(&content),
            "a torn file: {} bytes",
            content.len()
        );
    }
    // Whatever was left, the next one goes through, and cleans up.
    set_entry(&path, "loop.example", "last").expect("an entry");
    assert_eq!(names(directory.path()), ["netrc"]);
}
