//! `kill -9` at any instant.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Stdio;
use std::time::Duration;

use fh_conf::netrc::Netrc;

use super::{BEFORE, names, password, process, set_entry};

/// Kills a process that edits without end, so many times.
fn kill(rounds: u64) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("netrc");
    std::fs::write(&path, BEFORE).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("set");
    let whole = [password(0), password(1)].map(|password| {
        let mut netrc = Netrc::parse(BEFORE.as_bytes()).expect("understood");
        netrc.set("loop.example", "fh", &password).expect("set");
        netrc.to_bytes()
    });
    let program = std::env::current_exe().expect("this program");
    for round in 0..rounds {
        let mut command = process(&program, "loop", &path);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a process");
        let output = child.stdout.take().expect("its output");
        let ready = BufReader::new(output)
            .lines()
            .map_while(Result::ok)
            .any(|line| line == "says: ready");
        assert!(ready, "it ended before it was killed");
        // From its second edit to far into them; the steps are prime to those of the edits.
        std::thread::sleep(Duration::from_micros(round * 977 % 30_011));
        child.kill().expect("killed");
        child.wait().expect("its end");
        let content = std::fs::read(&path).expect("the file");
        assert!(
            whole.contains(&content),
            "a torn file: {} bytes",
            content.len()
        );
        for name in names(directory.path()) {
            let left = std::fs::metadata(directory.path().join(&name)).expect("it");
            assert_eq!(
                left.mode() & 0o777 & !0o640,
                0,
                "{name} can be read by others"
            );
        }
    }
    // Whatever was left, the next one goes through, and cleans up.
    set_entry(&path, "loop.example", "last").expect("an entry");
    assert_eq!(names(directory.path()), ["netrc"]);
}

#[test]
fn a_kill_at_any_instant_leaves_a_whole_file() {
    kill(20);
}

#[test]
#[ignore = "long: the same, two hundred times"]
fn two_hundred_kills_leave_a_whole_file() {
    kill(200);
}
