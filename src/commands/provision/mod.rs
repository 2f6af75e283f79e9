//! `fh provision`: organisations as a file says they are to be.
//!
//! ```text
//! file ─▶ parse ───┐
//!                  ├─▶ present names (pure) ─▶ plan (pure) ─▶ show ─▶ ask ─▶ apply, a step at a time
//! server ─▶ look up┘
//! ```
//!
//! Everything is done over the API, with no more than the caller's token may do. Invariants: nothing is changed before
//! the whole plan is known and confirmed, and nothing at all where something is found to be wrong; each step can be
//! repeated, so that a run that failed is continued by the same command.

mod apply;
mod file;
mod lookup;
mod names;
mod plan;
mod policy;
mod problem;
mod reader;
mod source;
mod state;

use std::path::PathBuf;

use clap::Args;
use fh_api::Name;
use fh_client::Client;
use serde::Serialize;

use self::file::File;
use self::plan::{Facts, Plan, Sign, Step, plan};
use self::problem::{Problem, Said, refused};
use self::source::Source;
use crate::confirm::{Effect, Yes};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::human;
use crate::similar::is_same_name;

/// Set up organisations from a file
///
/// Creates what the TOML file names and the server lacks, and changes what differs: organisations with their
/// members, teams, flakes, grants, trust policies, service accounts and follows. It shows every change first, and
/// asks. The same file again changes nothing. If a step fails, run the command again: it continues from there. If
/// something in the file is wrong, nothing is changed, and everything that is wrong is listed.
///
/// What the file does not name stays, unless you say --prune. Your own membership always stays. You need to be an
/// owner of the organisations (for their plain members, flakes, teams and grants: an admin).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh provision acme.toml --dry-run            # show what would change
  fh provision acme.toml
  fh provision acme.toml --prune --yes        # also remove what is not in the file
  fh provision --export acme > acme.toml      # write such a file
  fh provision - --yes < acme.toml            # read standard input

A file (docs/provision.md has every key):

  [org.acme.members]
  alice = \"owner\"
  bob = \"member\"

  [org.acme.teams]
  builders = [\"bob\"]

  [org.acme.flakes.app]
  visibility = \"private\"
  grants = { \"team:builders\" = \"write\" }

  [org.acme.trust.ci]
  github = { repository = \"acme/app\", ref = \"main\" }
  flakes = [\"acme/app\"]
  role = \"write\"")]
pub(crate) struct ProvisionArguments {
    /// The TOML file, or `-` for standard input
    #[arg(value_name = "FILE", required_unless_present = "export")]
    file: Option<PathBuf>,

    /// Only show what would change
    #[arg(long)]
    dry_run: bool,

    /// Also remove what the sections of the file do not list; a section that the file does not have stays as it is
    #[arg(long)]
    prune: bool,

    /// Print a file with what this organisation has now; may be repeated
    #[arg(long, value_name = "ORG", conflicts_with_all = ["file", "dry_run", "prune"], add = crate::completion::organizations())]
    export: Vec<Name>,

    #[command(flatten)]
    yes: Yes,
}

/// What was, or would be, done; for programs.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// Every change, in its order.
    changes: &'a [Step],
    /// Whether they were made.
    applied: bool,
    /// What `--prune` would remove besides.
    unlisted: usize,
    /// What is not done now, and which names are former ones, as sentences.
    notes: &'a [String],
    /// What of it lowers the role of whoever runs this, as sentences.
    warnings: &'a [String],
}

pub(crate) fn run(arguments: &ProvisionArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let Some(path) = &arguments.file else {
        return export(&arguments.export, &client, context);
    };
    let source = Source::named(path);
    let name = source.name();
    let file = file::parse(&source.read()?).map_err(|problems| refused(&name, problems))?;
    let (keys, mut problems) = source.issuers_keys(&file);
    let found = lookup::look_up(file, &client, context)?;
    let resolved = found.resolved;
    problems.extend(resolved.told.problems);
    let facts = Facts {
        accounts: &resolved.accounts,
        present: &found.present,
        caller: &found.caller,
        keys: &keys,
        server_keys: &found.server_keys,
    };
    let planned = match plan(&resolved.file, &facts, arguments.prune) {
        Ok(planned) if problems.is_empty() => planned,
        Ok(_) => return Err(refused(&name, problems)),
        Err(more) => {
            problems.extend(more);
            return Err(refused(&name, problems));
        }
    };
    let unlisted = match arguments.prune {
        true => 0,
        // A file that contradicts itself with it removes nothing.
        false => plan(&resolved.file, &facts, true).map_or(0, |pruned| pruned.removals()),
    };
    let former = in_order(resolved.told.notes, &name);
    let planned = planned.noting(former);
    carry_out(&planned, unlisted, arguments, &client, context)
}

/// Sentences about places of the file, in its order.
fn in_order(mut notes: Vec<Problem>, file: &str) -> Vec<String> {
    notes.sort();
    notes.iter().map(|note| note.of(file)).collect()
}

/// Shows the plan, asks, and does it.
fn carry_out(
    planned: &Plan,
    unlisted: usize,
    arguments: &ProvisionArguments,
    client: &Client,
    context: &Context,
) -> Result<(), CommandError> {
    let output = context.output;
    let lines: String = planned.steps.iter().map(|it| format!("{it}\n")).collect();
    if !output.is_json() {
        if arguments.dry_run {
            output.text(&lines)?;
        } else if arguments.yes.asks(context) {
            // A question about what nobody was shown could not be answered.
            output.say(&lines);
        } else {
            output.remark(&lines);
        }
        for note in &planned.notes {
            output.remark(note);
        }
        for warning in &planned.warnings {
            output.say(warning);
        }
    }
    let mut notes = planned.notes.clone();
    if !arguments.dry_run {
        if !planned.steps.is_empty() {
            confirm(planned, arguments.yes, context)?;
        }
        let waiting = apply::apply(planned, client, context)?;
        if !output.is_json() {
            for note in &waiting {
                output.remark(note);
            }
        }
        notes.extend(waiting);
    }
    let report = Report {
        changes: &planned.steps,
        applied: !arguments.dry_run,
        unlisted,
        notes: &notes,
        warnings: &planned.warnings,
    };
    output.done(&report, |report| {
        let mut told = summary(report.changes, report.applied);
        if report.unlisted > 0 {
            let things = human::count(report.unlisted.try_into().unwrap_or(u64::MAX), "thing");
            told.push_str(&format!(
                " {things} of these organisations {} not in the file; `--prune` removes them.",
                if report.unlisted == 1 { "is" } else { "are" }
            ));
        }
        told
    })
}

/// How many changes there are of each kind.
fn summary(steps: &[Step], applied: bool) -> String {
    if steps.is_empty() {
        return "Nothing to change: the server has what the file says.".to_owned();
    }
    let [add, change, remove] = [Sign::Add, Sign::Change, Sign::Remove]
        .map(|sign| steps.iter().filter(|step| step.change == sign).count());
    if applied {
        return format!("Done: {add} added, {change} changed, {remove} removed.");
    }
    format!("{add} to add, {change} to change, {remove} to remove.")
}

/// Asks whether the plan that was shown is to be carried out.
fn confirm(planned: &Plan, yes: Yes, context: &Context) -> Result<(), CommandError> {
    let steps = planned.steps.iter();
    let (removed, lost): (Vec<&Step>, Vec<&Step>) = steps
        .filter(|step| step.change == Sign::Remove)
        .partition(|step| step.can_be_undone());
    let what = summary(&planned.steps, false);
    let question = "Make these changes?";
    if removed.is_empty() && lost.is_empty() && planned.warnings.is_empty() {
        return yes.confirm(Effect::Exposes, &what, question, context);
    }
    let mut what = what;
    for (begin, steps) in [
        (" This removes: ", removed),
        (" This removes, and nobody can bring back: ", lost),
    ] {
        let things = steps.iter().map(|step| step.what()).collect::<Vec<_>>();
        if !things.is_empty() {
            what.push_str(&format!("{begin}{}.", things.join(", ")));
        }
    }
    if !planned.warnings.is_empty() {
        what.push_str(" This lowers your own role, and you may not be able to restore it.");
    }
    yes.confirm(Effect::Loses, &what, question, context)
}

/// Prints organisations as a file.
fn export(orgs: &[Name], client: &Client, context: &Context) -> Result<(), CommandError> {
    let mut file = File::default();
    for org in orgs {
        let found = lookup::everything_of(org, client, context)?;
        if !is_same_name(org, &found.name) {
            let name = &found.name;
            context
                .output
                .remark(&format!("{org} is called {name} now."));
        }
        file.org
            .insert(Said::from(found.name.clone()), found.to_file());
    }
    if context.output.is_json() {
        return context.output.json(&file);
    }
    let text = file::to_text(&file)
        .map_err(|error| CommandError::failed(error).context("cannot write the file's text"))?;
    context.output.text(&text)
}
