//! The server's log: lines on stderr, for a person or for a program.

use std::borrow::Cow;
use std::io;
use std::panic;

use fh_server::WithRequestId;
use fh_settings::{LogFormat, Settings};
use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{debug_fn, format as lines};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::error::CommandError;
use crate::logging::{escaped, field};

/// Writes the log to stderr from now on.
pub(super) fn start(settings: &Settings, color: bool) -> Result<(), CommandError> {
    let filter = EnvFilter::builder()
        .parse(&settings.log_filter)
        .map_err(CommandError::usage)?;
    log(settings.log_format, filter, color, io::stderr)
        .try_init()
        .map_err(|error| CommandError::failed(format!("cannot start the log: {error}")))?;
    // A panic ends one request; it must be in the log like everything else, on one line.
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("(no message)");
        tracing::error!(location, message, "panic");
    }));
    Ok(())
}

/// What turns events into lines for `writer`. Only text has colours.
fn log<W: io::Write + 'static>(
    format: LogFormat,
    filter: EnvFilter,
    color: bool,
    writer: impl Fn() -> W + Send + Sync + 'static,
) -> Dispatch {
    // What cannot be written is lost: to tell so on stderr, which is where it could not be written, would end the server.
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log
            .with_writer(writer)
            .fmt_fields(debug_fn(field).delimited(" "))
            .with_ansi(color)
            .event_format(WithRequestId::new(lines().with_ansi(color), format))
            .finish()
            .into(),
        LogFormat::Json => log
            .with_writer(move || JsonLines(writer()))
            .json()
            .event_format(WithRequestId::new(
                lines().json().flatten_event(true).with_span_list(false),
                format,
            ))
            .finish()
            .into(),
    }
}

/// Where lines of JSON go. Each write is one line: a string in it has a line feed only as an escape.
#[derive(Debug)]
struct JsonLines<W>(W);

impl<W: io::Write> io::Write for JsonLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // One write of a whole line, so that lines of several threads do not mix.
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = String::from_utf8_lossy(text);
        match escaped(&text) {
            Cow::Borrowed(_) => self.0.write_all(line)?,
            Cow::Owned(mut text) => {
                text.push('\n');
                self.0.write_all(text.as_bytes())?;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::text::is_unprintable;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that one event makes, which has `text` as its message, as a string and as something that is displayed.
    fn lines(format: LogFormat, color: bool, text: &str) -> Vec<String> {
        let written = Written::default();
        let writer = written.clone();
        let log = log(format, EnvFilter::new("info"), color, move || {
            writer.clone()
        });
        tracing::dispatcher::with_default(&log, || {
            tracing::warn!(string = text, shown = %text, debug = ?text, "{text}");
        });
        let bytes = written.0.lock().unwrap().clone();
        let log = String::from_utf8(bytes).unwrap();
        log.lines().map(str::to_owned).collect()
    }

    #[test]
    fn nothing_that_is_logged_plays_on_a_terminal_or_begins_a_line() {
        for text in [
            "\u{1b}[31mred\u{1b}]0;title\u{7}",
            "\u{9b}31mred\u{85}next",
            "safe\u{202e}gpj.exe\u{2066}",
            "in\u{200b}vis\u{ad}ible\u{feff}\u{e0041}\u{3164}",
            "one\n2026-01-01T00:00:00Z  INFO two\r\u{2028}three\u{c}\u{b}",
            "\u{7f}\u{8}\t\0",
            "ä 漢 \u{1f600}",
        ] {
            for (format, color) in [
                (LogFormat::Text, false),
                (LogFormat::Text, true),
                (LogFormat::Json, false),
                (LogFormat::Json, true),
            ] {
                let lines = lines(format, color, text);
                let [line] = lines.as_slice() else {
                    panic!("{format:?} {text:?}: {lines:?}")
                };
                let is_ours = |c: char| color && format == LogFormat::Text && c == '\u{1b}';
                let bad = line.chars().find(|&c| is_unprintable(c) && !is_ours(c));
                assert_eq!(bad, None, "{format:?} {line:?}");
                // Only the colours are left of what begins with ESC.
                assert!(
                    !line.contains("\u{1b}[31mred") && !line.contains("\u{1b}]"),
                    "{line:?}"
                );
                if format == LogFormat::Json {
                    let event: serde_json::Value = serde_json::from_str(line).unwrap();
                    for value in [&event["string"], &event["shown"], &event["message"]] {
                        assert_eq!(value, text);
                    }
                }
                if text.contains('ä') {
                    assert!(line.contains("ä 漢 \u{1f600}"), "{line:?}");
                }
            }
        }
    }
}
