//! Ctrl-C: noticed where we wait, so that everything that was started is stopped, and everything
//! that was made is removed, by the same code as on any other failure.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// The error of a job that was interrupted.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// From here on SIGINT and SIGTERM only set a flag; a second one ends the process at once.
///
/// A signal that has a handler here has its default effect in the programs that are started, even
/// where it was ignored before, as in the background job of a script: what the tests say about
/// Ctrl-C must not depend on who runs them.
pub(crate) fn catch() -> Result<()> {
    let requested = Arc::clone(REQUESTED.get_or_init(Arc::default));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&requested))?;
        flag::register(signal, Arc::clone(&requested))?;
    }
    Ok(())
}

/// Fails once the process was interrupted.
pub(crate) fn check() -> Result<()> {
    let requested = REQUESTED
        .get()
        .is_some_and(|requested| requested.load(Ordering::Relaxed));
    if requested {
        return Err(Interrupted.into());
    }
    Ok(())
}
