//! Log lines on stderr: what `-v` shows of the work of the libraries, and how lines are escaped.
//!
//! Invariant: what was logged is on one line, and holds no character that does something to a terminal or that nobody
//! sees: those are escaped as in JSON, as they came from elsewhere.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io;

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::settings::Settings;
use crate::text::{is_unprintable, push_escape};

/// Shows from now on what was asked for.
pub(crate) fn start(settings: &Settings) {
    let directives = match settings.verbosity {
        0 => return,
        1 => "warn,fh=info,fh_client=info,fh_conf=info",
        2 => "info,fh=debug,fh_client=debug,fh_conf=debug",
        _ => "debug,fh=trace,fh_client=trace,fh_conf=trace",
    };
    // A second start, which no command makes, would leave the first as it is. What stderr does not take is lost, and ends
    // nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives))
        .log_internal_errors(false)
        .with_writer(io::stderr)
        .with_ansi(settings.terminals.color)
        .with_target(false)
        .fmt_fields(debug_fn(field).delimited(" "))
        .try_init();
}

/// Writes one field of a line of text as `tracing_subscriber` does, with its value escaped.
pub(crate) fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    match field.name() {
        "message" => {}
        name if writer.has_ansi_escapes() => write!(writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m")?,
        name => write!(writer, "{name}=")?,
    }
    write!(Escaping(writer), "{value:?}")
}

/// A writer that escapes what would do something to a terminal.
struct Escaping<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(&escaped(text))
    }
}

/// A line, or a part of one, escaped.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    // As nearly everything is.
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unprintable(c) {
            push_escape(&mut escaped, c);
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}
