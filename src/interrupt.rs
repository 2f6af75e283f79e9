//! Running what waits for the network, until it is done, Ctrl-C is pressed, or the process is to end
//! (SIGTERM, which is how CI calls off a job; SIGHUP, which comes when a terminal is closed or a
//! connection to it breaks).
//!
//! Invariant: a SIGHUP that is ignored when the process starts stays ignored, as after `nohup`.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{CommandError, Status};

/// How long threads that cannot be stopped, such as one in the middle of a file, are waited for.
const PATIENCE: Duration = Duration::from_millis(200);

/// How many threads run the futures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// This one: for a few requests.
    One,
    /// All cores: for a push.
    AllCores,
}

/// How far apart one signal is heard by a child and by this process.
const AT_THE_SAME_TIME: Duration = Duration::from_millis(50);

/// Hears who asks for the end, from when it was made.
struct Listener {
    control_c: Signal,
    termination: Signal,
    /// None where it is ignored, or where that cannot be found out.
    hangup: Option<Signal>,
}

impl Listener {
    fn start() -> Result<Self, CommandError> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                CommandError::new(
                    Status::Failed,
                    anyhow::Error::new(error).context("cannot listen for signals"),
                )
            })
        };
        let hangup = may_listen_for_hangup().then(|| listen(SignalKind::hangup()));
        Ok(Self {
            control_c: listen(SignalKind::interrupt())?,
            termination: listen(SignalKind::terminate())?,
            hangup: hangup.transpose()?,
        })
    }

    /// How the program ends, as whoever asks for it wants.
    async fn heard(&mut self) -> Status {
        tokio::select! {
            _ = self.control_c.recv() => Status::Interrupted,
            _ = self.termination.recv() => Status::Terminated,
            () = received(&mut self.hangup) => Status::HungUp,
        }
    }
}

/// Waits for a signal; for ever where it is not listened for.
async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether the system says that SIGHUP is not ignored. Only Linux does; elsewhere the process leaves
/// SIGHUP to the system, because to listen for it would undo `nohup`.
fn may_listen_for_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status");
    status.is_ok_and(|status| ignores_hangup(&status) == Some(false))
}

/// Reads the line `SigIgn` of proc(5)'s `status`: a hexadecimal number in which bit N-1 stands for the
/// signal N.
fn ignores_hangup(status: &str) -> Option<bool> {
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))?;
    let ignored = u64::from_str_radix(ignored.trim(), 16).ok()?;
    // SIGHUP is signal 1 everywhere.
    Some(ignored & 1 != 0)
}

/// Runs a future to its end. On Ctrl-C, SIGTERM or SIGHUP it is dropped where it stands, and the error
/// hints at what `hint` says, which is asked for at once.
pub(crate) fn run<T>(
    threads: Threads,
    hint: impl FnOnce() -> &'static str,
    future: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    let mut builder = match threads {
        Threads::One => Builder::new_current_thread(),
        Threads::AllCores => Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().map_err(|error| {
        CommandError::new(
            Status::Failed,
            anyhow::Error::new(error).context("cannot start the threads of the program"),
        )
    })?;
    let result = runtime.block_on(async {
        // Before the future does or shows anything: until then a signal ends the process where it is.
        let mut listener = Listener::start()?;
        let end = tokio::select! {
            biased;
            end = listener.heard() => end,
            result = future => {
                let error = match result {
                    Err(error) => error,
                    done => return done,
                };
                // The terminal sends Ctrl-C to children as well: that one of them died of it may be
                // known before the signal is heard here.
                match tokio::time::timeout(AT_THE_SAME_TIME, listener.heard()).await {
                    Ok(end) => end,
                    Err(_) => return Err(error),
                }
            }
        };
        Err(CommandError::ended(end, hint()))
    });
    runtime.shutdown_timeout(PATIENCE);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_hangup_is_seen() {
        for (status, ignored) in [
            (
                "Name:\tfh\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000001\n",
                Some(false),
            ),
            (
                "SigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\n",
                Some(true),
            ),
            // Rust ignores SIGPIPE, signal 13.
            ("SigIgn:\t0000000000001000\n", Some(false)),
            ("SigIgn:\tx\n", None),
            ("", None),
        ] {
            assert_eq!(ignores_hangup(status), ignored, "{status:?}");
        }
    }
}
