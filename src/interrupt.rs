//! Running what waits for the network, until it is done, Ctrl-C is pressed, or the process is to end
//! (SIGTERM, which is how CI calls off a job).

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::CommandError;

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

/// What asked for the end.
enum Interruption {
    ControlC,
    Termination,
}

/// How far apart one signal is heard by a child and by this process.
const AT_THE_SAME_TIME: Duration = Duration::from_millis(50);

/// Hears who asks for the end, from when it was made.
struct Listener {
    control_c: Signal,
    termination: Signal,
}

impl Listener {
    fn start() -> Result<Self, CommandError> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                CommandError::new(
                    crate::error::Status::Failed,
                    anyhow::Error::new(error).context("cannot listen for signals"),
                )
            })
        };
        Ok(Self {
            control_c: listen(SignalKind::interrupt())?,
            termination: listen(SignalKind::terminate())?,
        })
    }

    async fn heard(&mut self) -> Interruption {
        tokio::select! {
            _ = self.control_c.recv() => Interruption::ControlC,
            _ = self.termination.recv() => Interruption::Termination,
        }
    }
}

/// Runs a future to its end. On Ctrl-C it is dropped where it stands, and the error hints at what
/// `hint` says, which is asked for at once.
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
            crate::error::Status::Failed,
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
        Err(match end {
            Interruption::ControlC => CommandError::interrupted(hint()),
            Interruption::Termination => CommandError::terminated(hint()),
        })
    });
    runtime.shutdown_timeout(PATIENCE);
    result
}
