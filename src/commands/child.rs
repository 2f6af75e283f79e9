//! A command that is run for the user: started with our streams as they are, its signals passed on,
//! its exit status taken over.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// Starts the command, which has our stdin, stdout and stderr.
pub(crate) fn start(words: &[OsString], nix_config: Option<OsString>) -> io::Result<Child> {
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| io::Error::other("there is no command"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(nix_config) = nix_config {
        command.env("NIX_CONFIG", nix_config);
    }
    command.spawn()
}

/// The exit code of a command that could not be started, as shells have it.
pub(crate) fn code_of_failed_start(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::NotFound => 127,
        _ => 126,
    }
}

/// The exit code that stands for how a command ended: its own, or 128 and the signal's number.
pub(crate) fn code_of(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Whether Ctrl-C ended it.
pub(crate) fn was_interrupted(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::INT.as_raw()) || status.code() == Some(130)
}

/// A signal that came to this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received(Signal);

impl Received {
    /// Whether whoever sent it wants things to end.
    pub(crate) fn is_end(self) -> bool {
        self.0 != Signal::USR1 && self.0 != Signal::USR2
    }

    /// Passes it on to the command, unless the terminal has sent it to both.
    pub(crate) fn pass_on(self, child: &Child) {
        let from_terminal = self.0 == Signal::INT || self.0 == Signal::QUIT;
        if from_terminal && in_foreground() {
            return;
        }
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // It may be gone already.
            let _ = rustix::process::kill_process(pid, self.0);
        }
    }
}

/// Whether this process belongs to what the terminal sends Ctrl-C to.
fn in_foreground() -> bool {
    let terminal = std::fs::File::open("/dev/tty");
    terminal
        .and_then(|terminal| Ok(rustix::termios::tcgetpgrp(&terminal)?))
        .is_ok_and(|group| group == rustix::process::getpgrp())
}

/// The signals that end a program, or that a command may have a meaning for.
pub(crate) struct Signals {
    interrupt: Stream,
    quit: Stream,
    terminate: Stream,
    hangup: Stream,
    user1: Stream,
    user2: Stream,
}

impl Signals {
    /// From now on none of them ends this process.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> Received {
        Received(tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.quit.recv() => Signal::QUIT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hangup.recv() => Signal::HUP,
            _ = self.user1.recv() => Signal::USR1,
            _ = self.user2.recv() => Signal::USR2,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_the_code_that_shells_know() {
        assert_eq!(code_of(ExitStatus::from_raw(0)), 0);
        assert_eq!(code_of(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(code_of(ExitStatus::from_raw(255 << 8)), 255);
        // Ended by a signal.
        assert_eq!(code_of(ExitStatus::from_raw(15)), 143);
        assert!(was_interrupted(ExitStatus::from_raw(2)));
        assert!(was_interrupted(ExitStatus::from_raw(130 << 8)));
        assert!(!was_interrupted(ExitStatus::from_raw(15)));
    }
}
