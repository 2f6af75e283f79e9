//! The server's log: lines on stderr, for a person or for a program.

use std::io;
use std::panic;

use fh_server::config::{LogFormat, Settings};
use tracing_subscriber::EnvFilter;

use crate::error::CommandError;

/// Writes the log to stderr from now on.
pub(super) fn start(settings: &Settings, color: bool) -> Result<(), CommandError> {
    let filter = EnvFilter::builder()
        .parse(&settings.log_filter)
        .map_err(CommandError::usage)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let started = match settings.log_format {
        LogFormat::Text => subscriber.with_ansi(color).try_init(),
        LogFormat::Json => subscriber
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .try_init(),
    };
    started.map_err(|error| CommandError::failed(format!("cannot start the log: {error}")))?;
    // A panic ends one request; it must be in the log like everything else, on one line.
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("(no message)");
        tracing::error!(location, message, "panic");
    }));
    Ok(())
}
