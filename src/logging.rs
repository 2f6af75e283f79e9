//! What `-v` shows of the work of the libraries: lines on stderr. `fh serve` has a log of its own.

use tracing_subscriber::EnvFilter;

use crate::settings::Settings;

/// Shows from now on what was asked for.
pub(crate) fn start(settings: &Settings) {
    let directives = match settings.verbosity {
        0 => return,
        1 => "warn,fh=info,fh_client=info,fh_conf=info",
        2 => "info,fh=debug,fh_client=debug,fh_conf=debug",
        _ => "debug,fh=trace,fh_client=trace,fh_conf=trace",
    };
    // A second start, which no command makes, would leave the first as it is.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives))
        .with_writer(std::io::stderr)
        .with_ansi(settings.terminals.color)
        .with_target(false)
        .try_init();
}
