//! Children with a time limit.

use std::ffi::OsStr;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use serde_json::Value;

/// For one child. The slowest takes a few seconds on a machine with nothing else to do.
const LIMIT: Duration = Duration::from_secs(120);

/// A child that came to its end.
pub(crate) struct Ended {
    words: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            words,
            status,
            stdout,
            stderr,
        } = self;
        write!(f, "{words}: {status}\n{stdout}{stderr}")
    }
}

impl Ended {
    /// It did what it was told.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.success(), "{self}");
        self
    }

    /// It ended with this code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// It failed by itself: with an exit code, not by a signal.
    #[track_caller]
    pub(crate) fn failed(self) -> Self {
        assert!(self.status.code().is_some_and(|code| code != 0), "{self}");
        self
    }

    /// A signal ended it.
    #[track_caller]
    pub(crate) fn killed_by(self, signal: Signal) -> Self {
        assert_eq!(self.status.signal(), Some(signal.as_raw()), "{self}");
        self
    }

    /// All of these stand on stderr.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self}");
        }
        self
    }

    /// What stands on stdout, which must be JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Stdout, line by line, sorted.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.stdout.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    }
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(command: Command) -> Ended {
    Running::start(command).wait()
}

/// The program and its arguments, without the environment, which may hold a token.
fn words(command: &Command) -> String {
    let program = Path::new(command.get_program());
    std::iter::once(program.file_name().unwrap_or_default())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A child that runs; killed when nobody waits for it.
pub(crate) struct Running {
    words: String,
    pid: Pid,
    descriptor: OwnedFd,
    output: mpsc::Receiver<std::io::Result<Output>>,
    waited: bool,
}

impl Running {
    /// Starts it; its output is collected.
    #[track_caller]
    pub(crate) fn start(mut command: Command) -> Self {
        let words = words(&command);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{words}: {error}"));
        let pid = Pid::from_child(&child);
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let child: Child = child;
            // Nobody listens any more where the test has failed meanwhile.
            let _ = sender.send(child.wait_with_output());
        });
        Self {
            words,
            pid,
            descriptor,
            output,
            waited: false,
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Kills it, unless it has come to its end.
    pub(crate) fn kill(&self) {
        // By descriptor, since the number may be another's by now; the end that `wait` finds says which.
        let _ = pidfd_send_signal(&self.descriptor, Signal::KILL);
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        let Ok(output) = self.output.recv_timeout(LIMIT) else {
            panic!("{}: not done after {LIMIT:?}", self.words);
        };
        self.waited = true;
        let output = output.unwrap();
        Ended {
            words: std::mem::take(&mut self.words),
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its end would be in the channel.
        if !self.waited && self.output.try_recv().is_err() {
            self.kill();
        }
    }
}
