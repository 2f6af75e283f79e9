//! Lines of the log that name the request in which they were written.
//!
//! A span for each request would do the same; making, entering and formatting one took a sixth of the instructions
//! that the server spends on a narinfo, nearly always for a request that writes nothing in it.

use std::fmt;

use fh_access::request_id;
use fh_settings::LogFormat;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Adds the field `request_id` to what another format writes of an event, where a request is being handled.
///
/// The other format writes one line, in the form that is named here; for text it must have been told whether to use
/// colours (`with_ansi`), as it cannot ask the writer.
#[derive(Debug)]
pub struct WithRequestId<F> {
    lines: F,
    format: LogFormat,
}

impl<F> WithRequestId<F> {
    /// Wraps a format that writes lines of the given form.
    pub fn new(lines: F, format: LogFormat) -> Self {
        Self { lines, format }
    }
}

impl<S, N, F> FormatEvent<S, N> for WithRequestId<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // An id needs no escape in either form: it was made or checked where the request came in.
        let Some(id) = request_id() else {
            return self.lines.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.lines
            .format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end_matches('\n');
        match self.format {
            LogFormat::Text => writeln!(writer, "{line} request_id={id}"),
            LogFormat::Json => {
                let fields = line.strip_suffix('}').ok_or(fmt::Error)?;
                writeln!(writer, "{fields},\"request_id\":\"{id}\"}}")
            }
        }
    }
}
