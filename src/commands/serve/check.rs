//! `fh serve --check`: the settings, and what is stored.
//!
//! What would be used goes to stdout, as JSON with `--json`; what was found goes to stderr for a person.
//! Damage is a failure, a file that nobody needs is a remark.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fh_api::with_causes;
use fh_server::check::{self, DataReport, Depth};
use fh_settings::Resolved;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::arguments::CheckLevel;
use crate::context::Context;
use crate::error::{CommandError, Status};
use crate::output::human;

/// How often a line is printed where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(10);

/// How many damaged objects are told one by one.
const TOLD: usize = 20;

const BAR: &str = "checked {bytes} of {total_bytes} [{bar:24}] {binary_bytes_per_sec}, {eta} left";

/// All of it for a program.
#[derive(Serialize)]
struct Answer {
    ok: bool,
    settings: BTreeMap<&'static str, Setting>,
    errors: Vec<String>,
    notes: Vec<String>,
    /// Absent where it was not asked for.
    data: Option<DataAnswer>,
}

#[derive(Serialize)]
struct Setting {
    value: Vec<String>,
    origin: String,
}

#[derive(Serialize)]
struct DataAnswer {
    checked: &'static str,
    #[serde(flatten)]
    report: DataReport,
}

pub(super) fn run(
    level: CheckLevel,
    resolved: Resolved,
    inherited: usize,
    context: &Context,
) -> Result<(), CommandError> {
    let data_dir = resolved.settings.data_dir.clone();
    let report = check::check_settings(resolved, inherited);
    let json = context.output.is_json();
    if !json {
        context.output.text(&report.to_string())?;
        if inherited > 0 {
            context.output.remark(&format!(
                "Sockets handed over by the service manager: {inherited}"
            ));
        }
        for note in &report.notes {
            context.output.warning(note);
        }
    }
    let (depth, checked) = match level {
        CheckLevel::Settings => (None, "settings"),
        CheckLevel::Files => (Some(Depth::Files), "files"),
        CheckLevel::Contents => (Some(Depth::Contents), "contents"),
    };
    let look = |depth| {
        let mut progress = Progress::new(context);
        let found = check::check_data(&data_dir, depth, &mut |now| progress.show(now));
        progress.finish();
        found.map_err(|error| {
            CommandError::new(Status::Failed, error)
                .context(format!("cannot check {}", data_dir.display()))
        })
    };
    let data = depth.map(look).transpose()?.flatten();
    if json {
        let ok = report.errors.is_empty() && data.as_ref().is_none_or(DataReport::is_sound);
        let settings = report.resolved.given.iter().map(|given| {
            let setting = Setting {
                value: given.texts.clone(),
                origin: given.origin.to_string(),
            };
            (given.option.key, setting)
        });
        context.output.json(&Answer {
            ok,
            settings: settings.collect(),
            errors: report
                .errors
                .iter()
                .map(|error| with_causes(error))
                .collect(),
            notes: report.notes.clone(),
            data: data.clone().map(|report| DataAnswer { checked, report }),
        })?;
    } else if let Some(data) = &data {
        tell(data, depth, context);
    }
    let damaged = data.as_ref().and_then(damage);
    let count = report.errors.len();
    let mut errors = report.errors.into_iter();
    let Some(first) = errors.next() else {
        if !json {
            context.output.remark("A server would start with this.");
        }
        return damaged.map_or(Ok(()), Err);
    };
    let color = context.settings.terminals.color;
    for error in errors {
        CommandError::new(Status::Failed, error).report(color);
    }
    if let Some(damaged) = damaged {
        damaged.report(color);
    }
    Err(CommandError::new(Status::Failed, first).context(format!(
        "a server would not start with this, for {count} reason(s)"
    )))
}

/// What was found, for a person.
fn tell(data: &DataReport, depth: Option<Depth>, context: &Context) {
    let output = &context.output;
    for problem in &data.database {
        output.warning(&format!("the database: {problem}"));
    }
    for damaged in data.damaged.iter().take(TOLD) {
        let paths = damaged.paths.join(", ");
        let known = if damaged.new { "" } else { " (known before)" };
        output.warning(&format!(
            "{}: {}{known}; it is the content of {}",
            damaged.file,
            damaged.problem,
            if paths.is_empty() { "no path" } else { &paths }
        ));
    }
    let orphans = &data.orphans;
    if orphans.count > 0 {
        output.remark(&format!(
            "{} of {} without a row in the database, such as {}: the server removes those that it has \
             created.",
            human::count(orphans.count, "file"),
            human::bytes(orphans.bytes),
            orphans.files.first().map_or("", String::as_str)
        ));
    }
    if data.restored > 0 {
        output.remark(&format!(
            "Valid after all, and served again: {} that had been marked as damaged.",
            human::count(data.restored, "NAR")
        ));
    }
    if data.sums_added > 0 {
        output.remark(&format!(
            "Checked, and given a checksum: {} stored before checksums existed.",
            human::count(data.sums_added, "NAR")
        ));
    }
    let looked = match depth {
        Some(Depth::Contents) => format!("read {} of them", human::bytes(data.bytes_read)),
        _ => "did not read them".to_owned(),
    };
    if data.is_sound() {
        output.remark(&format!(
            "The stored data is intact: the database, and {} ({looked}).",
            human::count(data.objects, "NAR")
        ));
    }
}

/// What is wrong with what is stored, if something is.
fn damage(data: &DataReport) -> Option<CommandError> {
    if !data.database.is_empty() {
        let error = CommandError::failed("the database is damaged");
        return Some(error.hint(
            "Stop the server and restore a backup: what was pushed since then has to be pushed again.",
        ));
    }
    (data.damaged_count > 0).then(|| {
        let nars = human::count(data.damaged_count, "stored NAR");
        let verb = if data.damaged_count == 1 { "is" } else { "are" };
        CommandError::failed(format!("{nars} {verb} damaged")).hint(
            "The server answers as if it did not have them. Push the paths again, or restore the files from a \
             backup and check again.",
        )
    })
}

/// How far the check is: a bar on a terminal, else a line now and then.
struct Progress<'a> {
    context: &'a Context,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl<'a> Progress<'a> {
    fn new(context: &'a Context) -> Self {
        let bar = context.settings.terminals.stderr.then(|| {
            let style = ProgressStyle::with_template(BAR);
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self {
            context,
            bar,
            last_line: Instant::now(),
        }
    }

    fn show(&mut self, now: check::Progress) {
        if let Some(bar) = &self.bar {
            bar.set_length(now.of_bytes);
            bar.set_position(now.bytes);
        } else if self.last_line.elapsed() >= INTERVAL {
            self.last_line = Instant::now();
            self.context.output.remark(&format!(
                "Checked {} of {}, {} of {}.",
                now.objects,
                human::count(now.of_objects, "NAR"),
                human::bytes(now.bytes),
                human::bytes(now.of_bytes)
            ));
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
