//! Running what waits for the network, until it is done or Ctrl-C is pressed.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Builder;

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

/// Runs a future to its end. On Ctrl-C it is dropped where it stands, and the error hints at what `hint` says.
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
        tokio::select! {
            result = future => result,
            signal = tokio::signal::ctrl_c() => match signal {
                Ok(()) => Err(CommandError::interrupted(hint())),
                Err(error) => Err(CommandError::new(
                    crate::error::Status::Failed,
                    anyhow::Error::new(error).context("cannot listen for Ctrl-C"),
                )),
            },
        }
    });
    runtime.shutdown_timeout(PATIENCE);
    result
}
