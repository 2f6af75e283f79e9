//! Names that completions offer, remembered from the server.
//!
//! ```text
//! TAB ─ remembered less than FRESH ago? ─ yes → offered
//!       └ no → `fh __remember-names` starts, on its own; TAB waits for it, at most PATIENCE,
//!              and offers what is remembered then
//! ```
//! So a server that is slow costs one TAB its names and not more, one that is down costs PATIENCE a
//! minute, and a person who types is never made to wait for a time-out.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use fh_conf::regular;
use fh_nix::Hasher;
use rustix::fs::{Mode, OFlags};
use secrecy::ExposeSecret as _;

use crate::context::Context;
use crate::error::CommandError;
use crate::settings::{Environment, GlobalOptions, Settings};
use crate::text::is_unprintable;

/// The command that asks the server, which TAB starts.
pub(crate) const REMEMBER_NAMES: &str = "__remember-names";

/// How long names are offered without asking the server.
const FRESH: Duration = Duration::from_secs(60);

/// How long a TAB waits for the server. With what starting `fh` takes, less than 300 ms.
const PATIENCE: Duration = Duration::from_millis(220);

/// How long the server is waited for in the background.
const LIMIT: Duration = Duration::from_secs(20);

/// More are not offered: nobody reads them, and shells take their time.
const MOST: usize = 5000;

/// More than that many names with a line about each.
const LONGEST: u64 = 8 * 1024 * 1024;

/// A name that is offered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    /// One line about it.
    pub(super) about: Option<String>,
}

/// Ask the server for what completions offer, and remember it
///
/// Started by completions, never by people.
#[derive(Debug, Args)]
pub(crate) struct Refresh {}

/// The flakes in the view of the person who types.
pub(super) fn flakes() -> Vec<Named> {
    let typed = super::line::server_on_the_line(&super::line::words());
    // On a thread of its own: whatever takes its time, a keyring or a file on the network, is left
    // behind when this process ends.
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(try_flakes(typed.as_deref())));
    let found = receive.recv_timeout(PATIENCE).ok().flatten();
    found.unwrap_or_default()
}

/// The organisations of these flakes, each once.
pub(super) fn organizations() -> Vec<Named> {
    organizations_of(&flakes())
}

fn organizations_of(flakes: &[Named]) -> Vec<Named> {
    let names: BTreeSet<&str> = flakes
        .iter()
        .filter_map(|flake| Some(flake.name.split_once('/')?.0))
        .collect();
    let named = |name: &str| Named {
        name: name.to_owned(),
        about: None,
    };
    names.into_iter().map(named).collect()
}

fn try_flakes(server: Option<&str>) -> Option<Vec<Named>> {
    let options = GlobalOptions {
        server: server.map(str::to_owned),
        ..GlobalOptions::default()
    };
    let settings = Settings::resolve(options, Environment::from_process()).ok()?;
    let context = Context::new(settings);
    let file = remembered(&context).ok()??;
    if !is_fresh(&file) {
        let start = Instant::now();
        start_refresh(server).ok();
        // A little less than all of it, so that what is remembered from before can still be offered.
        while !is_fresh(&file) && start.elapsed() < PATIENCE * 8 / 10 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let text = regular::read(&file, LONGEST).ok()??;
    Some(parse(std::str::from_utf8(&text).ok()?))
}

/// The servers that `fh login` knows.
pub(super) fn servers() -> Vec<Named> {
    let entries = Settings::resolve(GlobalOptions::default(), Environment::from_process())
        .and_then(|settings| Ok(Context::new(settings).credentials()?.list()?));
    entries
        .unwrap_or_default()
        .into_iter()
        .map(|entry| Named {
            name: entry.url.to_string(),
            about: None,
        })
        .collect()
}

/// Where the names of the server and the token that are meant are remembered. The name tells neither
/// of both: whoever logs in as somebody else never sees the other's flakes.
fn remembered(context: &Context) -> Result<Option<PathBuf>, CommandError> {
    let Some(server) = context.server()? else {
        return Ok(None);
    };
    let mut hasher = Hasher::new();
    hasher.update(server.to_string().as_bytes());
    hasher.update(&[0]);
    if let Some(found) = context.token(&server)? {
        hasher.update(found.token.expose_secret().as_bytes());
    }
    let name = hasher.finish().to_base32();
    let directory = context.settings.directories()?.fh_cache;
    Ok(Some(directory.join("completion").join(name)))
}

fn is_fresh(file: &Path) -> bool {
    let written = file.metadata().and_then(|metadata| metadata.modified());
    // A time in the future is the work of a clock that jumped.
    written.is_ok_and(|at| {
        SystemTime::now()
            .duration_since(at)
            .is_ok_and(|age| age < FRESH)
    })
}

/// Starts `fh __remember-names` so that it goes on when this process has ended.
fn start_refresh(server: Option<&str>) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(REMEMBER_NAMES);
    if let Some(server) = server {
        command.args(["--server", server]);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C at the prompt is not meant for it.
        .process_group(0)
        .env_remove(crate::settings::variables::FH_COMPLETE.name)
        .spawn()
        .map(drop)
}

/// Asks the server. A second one at the same time does nothing.
pub(crate) fn refresh(context: &Context) -> Result<ExitCode, CommandError> {
    let Some(file) = remembered(context)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let directory = file.parent().unwrap_or(&file);
    let failed = |error| CommandError::file("remember names in", directory, error);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(failed)?;
    let lock = open_private(&directory.join("lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(ExitCode::SUCCESS),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let client = context.client()?;
    let found = context.ask("cannot list the flakes", async {
        let listing = client.flakes_of(None, Some(MOST));
        match tokio::time::timeout(LIMIT, listing).await {
            Ok(found) => found.map(Some),
            Err(_) => Ok(None),
        }
    });
    match found {
        Ok(Some(listing)) => {
            let lines: String = listing
                .flakes
                .iter()
                .map(|flake| line(&flake.flake.to_string(), flake.description.as_deref()))
                .collect();
            fh_conf::atomic::write_private(&file, lines.as_bytes())?;
            // The same names again are not written, but count as new.
            touch(&file).map_err(failed)?;
            forget_old(directory);
            Ok(ExitCode::SUCCESS)
        }
        // What is remembered is offered for another while, so that not every TAB waits in vain.
        Ok(None) | Err(_) => {
            touch(&file).map_err(failed)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    // Whatever stands there is not waited for.
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NONBLOCK
        | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
    Ok(File::from(file))
}

fn touch(path: &Path) -> io::Result<()> {
    open_private(path)?.set_modified(SystemTime::now())
}

/// Removes what belongs to tokens that are gone.
fn forget_old(directory: &Path) {
    const OLD: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let old = modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > OLD));
        if old && entry.file_name() != "lock" {
            fs::remove_file(entry.path()).ok();
        }
    }
}

/// `name TAB about`, in one line whatever the server said.
fn line(name: &str, about: Option<&str>) -> String {
    // A shell shows it as it is.
    let about: String = about
        .unwrap_or_default()
        .chars()
        .map(|c| if is_unprintable(c) { ' ' } else { c })
        .take(100)
        .collect();
    format!("{name}\t{}\n", about.trim())
}

fn parse(text: &str) -> Vec<Named> {
    text.lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, about)| Named {
            name: name.to_owned(),
            about: (!about.is_empty()).then(|| about.to_owned()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_stays_in_its_line() {
        let text = line("a/b", Some("one\ntwo\u{202e}[31m\t")) + &line("a/c", None);
        let names = parse(&text);
        assert_eq!(names.len(), 2);
        assert_eq!(names[0].about.as_deref(), Some("one two [31m"));
        assert_eq!(
            names[1],
            Named {
                name: "a/c".to_owned(),
                about: None
            }
        );
    }

    #[test]
    fn each_organisation_is_offered_once() {
        let flakes = parse("b/x\t\nacme/app\t\nacme/other\tone\n");
        let names: Vec<_> = organizations_of(&flakes)
            .into_iter()
            .map(|named| named.name)
            .collect();
        assert_eq!(names, ["acme", "b"]);
    }

    #[test]
    fn names_from_a_clock_ahead_are_not_fresh() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("names");
        assert!(!is_fresh(&path));
        let file = File::create(&path).unwrap();
        assert!(is_fresh(&path));
        file.set_modified(SystemTime::now() + Duration::from_secs(3600))
            .unwrap();
        assert!(!is_fresh(&path));
        file.set_modified(SystemTime::now() - FRESH).unwrap();
        assert!(!is_fresh(&path));
    }
}
