//! Tests of the atomic writer with several threads and processes, with processes that are killed,
//! with users who may not write, and with disks that are full.

mod concurrent;
mod kills;
mod refusals;

use std::error::Error as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fh_conf::atomic::{EditOptions, Edited, edit_file};
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
    match task.as_str() {
        // For ever, and says when the first is done.
        "loop" => {
            for round in 0.. {
                set_entry(path, "loop.example", &password(round)).expect("an entry");
                if round == 0 {
                    say("ready");
                }
            }
        }
        // Once, and says what came of it.
        "once" => match set_entry(path, "once.example", "secret") {
            Ok(edited) => say(&format!("{:?}", edited.outcome)),
            Err(error) => say(&format!(
                "{error}: {}",
                error.source().map(ToString::to_string).unwrap_or_default()
            )),
        },
        number => {
            let number = number.parse().expect("a number");
            set_entry(path, &host(number), "secret").expect("an entry");
        }
    }
}

/// To the process that started this one, past the capture of test output.
fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "\nsays: {line}").expect("somebody listens");
    output.flush().expect("somebody listens");
}

/// A process that runs [`child`].
fn process(program: &Path, task: &str, file: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args([
            "atomic::child",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(TASK, task)
        .env(FILE, file)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn start(task: &str, file: &Path) -> Child {
    let program = std::env::current_exe().expect("this program");
    process(&program, task, file).spawn().expect("a process")
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
        without.put_back(&host(number), None).expect("removed");
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
