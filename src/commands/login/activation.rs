//! `fh login --activation`: a login by the script that activates the configuration of a system or a home.
//!
//! Invariants: it says one line and ends well whatever it finds, because nobody should have to do without the
//! rest of their system for want of a token; it asks no person and no server; a second run changes nothing. A command
//! line that cannot be understood is the mistake of whoever wrote the script, and a usage error as everywhere.

use std::io::{self, Write as _};

use fh_conf::nix_conf::FileToEdit;
use time::OffsetDateTime;

use super::arguments::LoginArguments;
use super::report::Report;
use crate::context::Context;
use crate::error::CommandError;
use crate::output::human;
use crate::setup::Scope;
use crate::text::printable;

/// Says what came of the login.
pub(super) fn say(
    arguments: &LoginArguments,
    login: Result<Option<Report>, CommandError>,
    context: &Context,
) {
    match login {
        Ok(Some(report)) => {
            let line = done(&report, OffsetDateTime::now_utc());
            context.output.remark(&said(&line));
        }
        // Only for --print, which is another command line.
        Ok(None) => {}
        Err(error) => match no_file_yet(arguments, &error) {
            Some(line) => context.output.remark(&said(&line)),
            None => context.output.say(&said(&with_hints(&error))),
        },
    }
}

/// Says why it could not even begin: a variable that cannot be understood, a directory that is gone.
pub(crate) fn cannot_begin(error: &CommandError) {
    let line = printable(&said(&with_hints(error))) + "\n";
    // Nobody can be told where stderr is gone.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// The one line that the script shows, with the name of the program.
fn said(text: &str) -> String {
    format!("fh: {}", text.replace('\n', " "))
}

/// What was done, and what there is to know about it.
fn done(report: &Report, now: OffsetDateTime) -> String {
    let server = &report.site.server;
    let is_netrc = |kind: &str| kind == "netrc";
    let mut planned = report.plan.changes.files.iter();
    let netrc = planned
        .find(|change| is_netrc(change.kind))
        .map_or_else(String::new, |change| change.path.display().to_string());
    let mut parts = Vec::new();
    if report.changed() {
        let applied = report.done.iter().flatten();
        for file in applied.filter(|file| is_netrc(file.kind)) {
            if !file.what.is_empty() {
                parts.push(format!("wrote {} to {netrc}", file.what.join(" and ")));
            }
            if let Some(mode) = file.tightened_from {
                parts.push(format!(
                    "others can no longer read {netrc} (its mode was {mode:03o})"
                ));
            }
        }
        if parts.is_empty() {
            parts.push(format!(
                "stored the token of {server}, which {netrc} already had"
            ));
        }
        if let Some(end) = report.identity.expires_at {
            parts.push(format!("the token ends {}", human::date(end, now)));
        }
    } else {
        parts.push(format!(
            "nothing to do: {netrc} has the token of {server} already"
        ));
    }
    parts.extend(lacking(report));
    parts.extend(report.plan.warnings.iter().cloned());
    parts.join("; ")
}

/// What nix.conf lacks: a configuration has to say it, and nobody else can.
fn lacking(report: &Report) -> Vec<String> {
    let machine = &report.machine;
    let Ok(conf) = machine.parse_nix_conf() else {
        return Vec::new();
    };
    let path = machine.nix_conf_path().display();
    let place = match machine.nix_conf {
        FileToEdit::Generated { .. } => " in `nix.settings`",
        FileToEdit::Path { .. } => "",
    };
    let mut lacking = Vec::new();
    if !report.site.is_read_by(&conf) {
        lacking.push(format!(
            "{path} has no substituter of this server: set it and its keys{place}"
        ));
    }
    // Without it Nix reads the machine's netrc.
    if machine.scope == Scope::User && conf.effective("netrc-file").is_none() {
        lacking.push(format!(
            "{path} does not name this netrc: set `netrc-file`{place}"
        ));
    }
    lacking
}

/// That a secret manager has not written the token yet, which is no failure.
fn no_file_yet(arguments: &LoginArguments, error: &CommandError) -> Option<String> {
    let is_missing = error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
    let file = arguments.token.file().filter(|_| is_missing)?;
    (!file.exists()).then(|| format!("nothing to do: there is no {} yet", file.display()))
}

/// Why nothing was done, and what to do about it.
fn with_hints(error: &CommandError) -> String {
    let mut line = format!("failed: {}", error.sentence());
    for hint in error.hints() {
        line.push_str(if line.ends_with('.') { " " } else { ". " });
        line.push_str(hint);
    }
    line
}
