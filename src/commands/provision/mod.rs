//! `fh provision`: organisations as a file says they are to be.
//!
//! ```text
//! file ─▶ parse ─┐
//!                ├─▶ plan (pure) ─▶ show ─▶ ask ─▶ apply, a step at a time
//! server ─▶ ask ─┘
//! ```
//!
//! Everything is done over the API, with no more than the caller's token may do. Invariants: nothing is changed before
//! the whole plan is known and confirmed; each step can be repeated, so that a run that failed is continued by the same
//! command.

mod apply;
mod file;
mod plan;
mod policy;
mod state;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use fh_api::{ErrorCode, Name};
use fh_client::Client;
use fh_conf::regular;
use serde::Serialize;
use serde_json::Value;

use self::file::File;
use self::plan::{Facts, Plan, Sign, Step, plan};
use self::state::Present;
use super::confirm::{Effect, Yes};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::human;

/// More than any set of keys has, in bytes.
const LARGEST_KEYS: u64 = 1 << 20;

/// Set up organisations from a file
///
/// Creates what the TOML file names and the server lacks, and changes what differs: organisations with their
/// members, teams, flakes, grants, trust policies, service accounts and follows. It shows every change first, and
/// asks. The same file again changes nothing. If a step fails, run the command again: it continues from there.
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
    /// The TOML file
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
    /// What is not done now, as sentences.
    notes: &'a [String],
}

pub(crate) fn run(arguments: &ProvisionArguments, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let Some(path) = &arguments.file else {
        return export(&arguments.export, &client, context);
    };
    let file = read(path)?;
    let keys = issuers_keys(&file, path)?;
    let (caller, users) = context.ask("cannot look up the accounts", async {
        let caller = client.whoami().await?.user;
        let users = if file.users.is_empty() {
            Vec::new()
        } else {
            client.users().await?.users
        };
        Ok((caller, users))
    })?;
    let users: Vec<Name> = users.into_iter().map(|user| user.name).collect();
    let mut present = BTreeMap::new();
    for (org, wanted) in &file.org {
        let found = ask(org, Some(wanted), &client, context)?;
        present.insert(org.clone(), found);
    }
    let facts = Facts {
        users: &users,
        present: &present,
        caller: &caller,
        keys: &keys,
    };
    let contradiction =
        |reason: String| CommandError::usage(format!("{}: {reason}", path.display()));
    let planned = plan(&file, &facts, arguments.prune).map_err(contradiction)?;
    let unlisted = match arguments.prune {
        true => 0,
        // A file that contradicts itself with it removes nothing.
        false => plan(&file, &facts, true).map_or(0, |pruned| pruned.removals()),
    };
    carry_out(&planned, unlisted, arguments, &client, context)
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
        } else {
            output.remark(&lines);
        }
        for note in &planned.notes {
            output.remark(note);
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
    let removed: Vec<String> = planned
        .steps
        .iter()
        .filter(|step| step.change == Sign::Remove)
        .map(|step| format!("{} {}", step.kind.replace('-', " "), step.name))
        .collect();
    let what = summary(&planned.steps, false);
    if removed.is_empty() {
        return yes.confirm(Effect::Exposes, &what, "Make these changes?", context);
    }
    let what = format!(
        "{what} This removes, and nobody can bring back: {}.",
        removed.join(", ")
    );
    yes.confirm(Effect::Loses, &what, "Make these changes?", context)
}

/// Prints organisations as a file.
fn export(orgs: &[Name], client: &Client, context: &Context) -> Result<(), CommandError> {
    let mut file = File::default();
    for org in orgs {
        let found = ask(org, None, client, context)?;
        file.org.insert(org.clone(), found.to_file());
    }
    if context.output.is_json() {
        return context.output.json(&file);
    }
    let text = file::to_text(&file)
        .map_err(|error| CommandError::failed(error).context("cannot write the file's text"))?;
    context.output.text(&text)
}

/// What an organisation has.
fn ask(
    org: &Name,
    wanted: Option<&file::Organization>,
    client: &Client,
    context: &Context,
) -> Result<Present, CommandError> {
    let what = format!("cannot look up what {org} has");
    let present = context
        .ask(what, async { Present::ask(client, org, wanted).await })
        .map_err(|error| {
            let hint = format!(
                "You need to be an owner or an admin of {org}, with a token that reaches all of it: `fh org show {org}`"
            );
            error.hint_for(ErrorCode::Forbidden, hint)
        })?;
    match &present.renamed {
        Some(name) => Err(apply::renamed(org.as_str(), name.as_str())),
        None => Ok(present),
    }
}

/// The file at a path.
fn read(path: &Path) -> Result<File, CommandError> {
    let failed = |error| CommandError::file("read", path, error);
    let bytes = regular::read(path, file::LARGEST).map_err(failed)?;
    let bytes = bytes.ok_or_else(|| failed(regular::missing()))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| CommandError::usage(format!("{} is not text in UTF-8", path.display())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    file::parse(text).map_err(|error| {
        CommandError::usage(error.of(path)).hint("`fh help provision` shows such a file.")
    })
}

/// The keys of issuers that the file's policies name, by the name of their file. Relative names count from the
/// directory of the file itself.
fn issuers_keys<'a>(
    file: &'a File,
    path: &Path,
) -> Result<BTreeMap<&'a Path, Value>, CommandError> {
    let policies = file.org.values().filter_map(|org| org.trust.as_ref());
    let named = policies
        .flat_map(BTreeMap::values)
        .filter_map(|policy| policy.jwks.as_deref());
    let mut found = BTreeMap::new();
    for name in named {
        let place = path.parent().unwrap_or(Path::new("")).join(name);
        let failed = |error| CommandError::file("read the keys in", &place, error);
        let text = regular::read(&place, LARGEST_KEYS).map_err(failed)?;
        let text = text.ok_or_else(|| failed(regular::missing()))?;
        let keys = serde_json::from_slice(&text)
            .map_err(|_| CommandError::usage(format!("{} is not JSON", place.display())))?;
        found.insert(name, keys);
    }
    Ok(found)
}
