//! `fh why`: who can read a path, and by what.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use clap::{Args, Subcommand};
use fh_api::{AccessExplanation, ErrorCode, Name};
use fh_nix::{StorePath, StorePathHash};

use crate::context::Context;
use crate::error::{CommandError, Explain as _};
use crate::nouns::held::{self, ReasonRow};
use crate::text::joined;

/// Show who can read a path, and by which grant; or everything that a user has access to
///
/// Without a path, it shows everything that you, or the account of `--user`, have access to, and what gives that
/// access. Server administrators can ask about every account; administrators of an organisation see what concerns
/// that organisation.
///
/// An administrator of a flake that holds the path sees who can read it there and by which grant; with
/// `--user`, whether that account can. Everybody else sees through which flake and grant they can read it, or
/// that no flake in their view holds it, and how their token limits what they see. It never shows whether a
/// path exists that you may not see. If flakes that you read disagree about the path's content, it shows which
/// one you are served, and where to read the other.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh why ./result
  fh why /nix/store/3w5d2cbf8m0v9n5c4q1k7r6z8y2x0s1a-app-1.0 --user alice
  fh why 3w5d2cbf8m0v9n5c4q1k7r6z8y2x0s1a --json
  fh why --user alice                     # everything that alice has access to
  fh why                                  # everything that you have access to")]
pub(crate) struct WhyArguments {
    /// A store path, a link to one such as ./result, or the hash alone
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,

    /// Show the access of this account [default: yours; with a path in a flake that you administer, everybody's]
    #[arg(long, value_name = "USER")]
    user: Option<Name>,
}

/// Explain access
#[derive(Debug, Subcommand)]
pub(crate) enum AccessCommand {
    /// The same as `fh why`
    Explain(WhyArguments),
}

pub(crate) fn run(arguments: &WhyArguments, context: &Context) -> Result<(), CommandError> {
    let Some(path) = &arguments.path else {
        return everything(arguments.user.as_ref(), context);
    };
    let path = named(path)?;
    let client = context.client_with_token()?;
    let found = context
        .ask(
            format_args!("cannot explain who reads {path}"),
            client.explain_access(&path, arguments.user.as_ref()),
        )
        .hint_for(
            ErrorCode::InvalidContent,
            "`fh grant list ORG/PROJECT` shows who has a role on a flake.",
        )?;
    print(&found, context)
}

/// Everything that somebody has access to.
fn everything(user: Option<&Name>, context: &Context) -> Result<(), CommandError> {
    let client = context.client_with_token()?;
    let found = context.ask("cannot show what the user has access to", async {
        let user = match user {
            Some(user) => user.clone(),
            None => client.whoami().await?.user,
        };
        client.user_access(&user).await
    })?;
    let mut lines = vec![
        ("Who", found.user.to_string()),
        ("Answer", held::summary(&found)),
    ];
    lines.extend(held::limits(&found.narrowed_by));
    let tables = held::tables(&found, &context.output)?;
    context.output.details_with(&found, &lines, &tables)
}

/// The base name or the hash of the store path that is meant.
fn named(given: &Path) -> Result<String, CommandError> {
    if let Some(text) = given.to_str()
        && (text.parse::<StorePathHash>().is_ok() || text.parse::<StorePath>().is_ok())
    {
        return Ok(text.to_owned());
    }
    // What is not on this machine can still be asked about.
    let path = given.canonicalize().unwrap_or_else(|_| given.to_owned());
    let found = path.components().find_map(|component| match component {
        Component::Normal(name) => store_path(name),
        _ => None,
    });
    found.map(|path| path.to_string()).ok_or_else(|| {
        CommandError::usage(format!(
            "{} is neither a store path nor a link to one",
            given.display()
        ))
        .hint("`nix build` leaves a link to one: ./result")
    })
}

fn store_path(name: &OsStr) -> Option<StorePath> {
    name.to_str()?.parse().ok()
}

fn print(found: &AccessExplanation, context: &Context) -> Result<(), CommandError> {
    let whose = found
        .user
        .as_ref()
        .map_or_else(|| "everybody".to_owned(), ToString::to_string);
    let mut lines = vec![
        ("Path", found.path.clone()),
        ("Who", whose),
        ("Answer", found.message.clone()),
    ];
    if let Some(disputed) = &found.disputed {
        for (label, flakes) in [
            ("Served", &disputed.served),
            ("Disagree", &disputed.others),
            ("Left out", &disputed.left_out),
        ] {
            if label == "Left out" && flakes.is_empty() {
                continue;
            }
            lines.push((label, joined(flakes)));
        }
    }
    lines.extend(held::limits(&found.narrowed_by));
    let slices = found.slices.iter();
    let rows: Vec<ReasonRow> = slices
        .flat_map(|slice| {
            ReasonRow::of(&slice.flake, slice.visibility, slice.served, &slice.reasons)
        })
        .collect();
    let table = context.output.table(&held::reason_columns(), &rows)?;
    context.output.details_with(found, &lines, &[table])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_in_whatever_names_it() {
        let base = "3w5d2cbf8m0v9n5c4q1k7r6z8y2x0s1a-app-1.0";
        let directory = tempfile::TempDir::new().unwrap();
        let store = directory.path().canonicalize().unwrap().join(base);
        std::fs::create_dir_all(store.join("bin")).unwrap();
        let link = directory.path().join("result");
        std::os::unix::fs::symlink(&store, &link).unwrap();
        for given in [
            base.to_owned(),
            format!("/nix/store/{base}"),
            format!("/nix/store/{base}/bin/app"),
            format!("{}/bin", store.display()),
            link.display().to_string(),
        ] {
            assert_eq!(named(Path::new(&given)).unwrap(), base, "{given}");
        }
        let hash = &base[..32];
        assert_eq!(named(Path::new(hash)).unwrap(), hash);
        for bad in ["", "result-of-nothing", "/etc/passwd", "/nix/store"] {
            assert!(named(Path::new(bad)).is_err(), "{bad}");
        }
    }
}
