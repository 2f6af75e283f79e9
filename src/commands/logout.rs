//! `fh logout`: takes back what logins have added, no more and no less.
//!
//! Invariants: a token that is to be revoked is revoked before it is forgotten; all files change or
//! none; what somebody else has changed since is theirs and stays.

use clap::Args;
use fh_api::TokenRevocation;
use fh_client::{Error as ClientError, ServerEntry, ServerKind, ServerList, ServerUrl, TokenStore};
use fh_conf::atomic;
use fh_conf::ledger::{Ledger, TakenBack};
use fh_conf::netrc::Netrc;
use fh_conf::nix_conf::NixConf;
use serde_json::json;
use std::path::Path;

use crate::context::{Context, Selected};
use crate::error::CommandError;
use crate::keyring;
use crate::setup::keeper::{Determinate, is_generated, not_understood, parse_config};
use crate::setup::{
    self, Change, Changes, Files, KeyringChange, LEDGER, Privacy, ledger_of, ledger_text,
};

/// Log out of a server: remove what `fh login` added to your files, and the stored token
///
/// It removes the netrc entry, the lines of nix.conf and the files that logins added, and restores a netrc
/// entry that a login replaced and the permission bits of the netrc. What you have changed since stays as it
/// is. Other servers keep what they need.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  fh logout
  fh logout --server https://cache.example.org --revoke
  fh logout --all")]
pub(crate) struct LogoutArguments {
    /// Log out of all servers
    #[arg(long, conflicts_with = "server")]
    all: bool,

    /// Also revoke the token, so that it is no longer valid anywhere
    #[arg(long)]
    revoke: bool,
}

/// A server to log out of.
struct Target {
    /// Its address: what its part in the files is noted under.
    owner: String,
    /// As `config.toml` knows it, if it does.
    entry: Option<ServerEntry>,
}

/// What became of one server.
struct Gone {
    server: String,
    revoked: bool,
    remarks: Vec<String>,
}

pub(crate) fn run(arguments: &LogoutArguments, context: &Context) -> Result<(), CommandError> {
    let targets = targets(arguments.all, context)?;
    let mut all = Vec::new();
    for target in &targets {
        let revoked = match &target.entry {
            Some(entry) if arguments.revoke => revoke(entry, context)?,
            _ => None,
        };
        let mut gone = Gone {
            server: target.owner.clone(),
            revoked: revoked.is_some(),
            remarks: revoked.iter().flat_map(of_others).collect(),
        };
        forget(target, context, &mut gone)?;
        all.push(gone);
    }
    print(&all, context)
}

/// Logs out of one known server.
pub(super) fn one(entry: &ServerEntry, context: &Context) -> Result<(), CommandError> {
    let target = Target {
        owner: entry.url.to_string(),
        entry: Some(entry.clone()),
    };
    let mut gone = Gone {
        server: target.owner.clone(),
        revoked: false,
        remarks: Vec::new(),
    };
    forget(&target, context, &mut gone)?;
    print(&[gone], context)
}

/// Whether there is anything to log out of.
pub(super) fn is_known(server: &ServerUrl, context: &Context) -> Result<bool, CommandError> {
    if context.credentials()?.load()?.entry(server).is_some() {
        return Ok(true);
    }
    let mut files = Files::default();
    let path = context.settings.directories()?.ledger();
    files.look(&path)?;
    let ledger = ledger_of(&files, &path)?;
    Ok(ledger.owners().contains(server.as_str()))
}

/// Takes a login back without a word, but for what a person may not expect.
pub(super) fn take_back(server: &ServerUrl, context: &Context) -> Result<(), CommandError> {
    let target = Target {
        owner: server.to_string(),
        entry: context.credentials()?.load()?.entry(server).cloned(),
    };
    let mut gone = Gone {
        server: target.owner.clone(),
        revoked: false,
        remarks: Vec::new(),
    };
    forget(&target, context, &mut gone)?;
    for remark in &gone.remarks {
        context.output.remark(remark);
    }
    Ok(())
}

/// The servers that are meant.
fn targets(all: bool, context: &Context) -> Result<Vec<Target>, CommandError> {
    let known = context.credentials()?.list()?;
    let mut files = Files::default();
    let path = context.settings.directories()?.ledger();
    files.look(&path)?;
    let ledger = ledger_of(&files, &path)?;
    let target = |owner: String| Target {
        entry: known
            .iter()
            .find(|entry| entry.url.as_str() == owner)
            .cloned(),
        owner,
    };
    if all {
        let mut owners: Vec<String> = known.iter().map(|entry| entry.url.to_string()).collect();
        owners.extend(ledger.owners().iter().map(|&owner| owner.to_owned()));
        owners.sort();
        owners.dedup();
        return Ok(owners.into_iter().map(target).collect());
    }
    let selected = context.selected()?;
    let owner = selected.map(|selected: Selected| selected.url().to_string());
    let is_known = |owner: &String| {
        ledger.owners().contains(owner.as_str()) || target(owner.clone()).entry.is_some()
    };
    Ok(owner.into_iter().filter(is_known).map(target).collect())
}

/// Makes the token useless everywhere. One that the server does not accept any more is so already.
fn revoke(entry: &ServerEntry, context: &Context) -> Result<Option<TokenRevocation>, CommandError> {
    if entry.kind != ServerKind::Fh {
        return Err(
            CommandError::usage(format!("{} cannot revoke tokens by command", entry.url))
                .hint("Log out without `--revoke`, and revoke the token where it was created."),
        );
    }
    let Some(found) = context.stored_token(&entry.url)? else {
        return Ok(None);
    };
    let client = context
        .client_builder(entry.url.clone())?
        .token(found.token)
        .build()?;
    context
        .wait(
            "It is not known whether the token was revoked; nothing else was changed.",
            async {
                let id = match client.whoami().await {
                    Ok(whoami) => whoami.token_id,
                    Err(ClientError::Unauthorized { .. }) => return Ok(None),
                    Err(error) => return Err(error.into()),
                };
                // A workload's own identity ends by itself.
                let Some(id) = id else { return Ok(None) };
                Ok(Some(client.revoke_token(id, false).await?))
            },
        )
        .map_err(|error: CommandError| {
            error
                .context("cannot revoke the token, so it was not removed")
                .hint("`fh logout` without `--revoke` needs no server.")
        })
}

/// What became of other tokens with the one that was revoked, the first of those that ended.
fn of_others(told: &TokenRevocation) -> Vec<String> {
    let counted = [
        (
            told.ended.len().saturating_sub(1),
            "that it had created were revoked with it",
        ),
        (
            told.made_for_others.len(),
            "that it created for other users stay valid: `fh token list --user USER`",
        ),
    ];
    counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, became)| format!("Tokens {became}: {count}."))
        .collect()
}

fn forget(target: &Target, context: &Context, gone: &mut Gone) -> Result<(), CommandError> {
    let directories = context.settings.directories()?;
    let held = setup::hold(context)?;
    let changes = plan(target, context, gone)?;
    changes.apply()?;
    drop(held);
    // What only we can have made, if nothing else is in it.
    atomic::remove_empty_directories(&[
        directories.fh_config.clone(),
        directories.fh_config.join("tokens"),
    ]);
    Ok(())
}

fn plan(target: &Target, context: &Context, gone: &mut Gone) -> Result<Changes, CommandError> {
    let directories = context.settings.directories()?;
    let credentials = context.credentials()?;
    let mut files = Files::default();
    let ledger_path = directories.ledger();
    files.look(&ledger_path)?;
    let mut ledger = ledger_of(&files, &ledger_path)?;
    let mut changes = Changes::default();
    // The last of a login's files first.
    let paths: Vec<_> = ledger
        .files_of(&target.owner)
        .into_iter()
        .rev()
        .map(Path::to_owned)
        .collect();
    for path in paths {
        let text = files.look(&path)?.unwrap_or_default().to_vec();
        let (kind, privacy, after) = if ledger.is_netrc(&path) {
            let mut netrc = Netrc::parse(&text)?;
            let taken = ledger.take_back_netrc(&path, &target.owner, &mut netrc)?;
            gone.remarks.extend(
                taken
                    .iter()
                    .filter_map(|(host, taken)| remark(host, taken, &path)),
            );
            let mode = files.mode(&path);
            let mode = mode.and_then(|now| ledger.take_back_mode(&path, &target.owner, now));
            let privacy = mode.map_or(Privacy::Kept, Privacy::GivenBack);
            ("netrc", privacy, netrc.to_bytes())
        } else if ledger.is_json(&path) {
            let refused = |error| not_understood(&path, error);
            let mut json = parse_config(&files, &path)?;
            let before = json.to_bytes();
            ledger
                .take_back_json(&path, &target.owner, &mut json)
                .map_err(refused)?;
            // One that is made from a configuration by now is not ours to change.
            let after = if is_generated(&path) {
                before
            } else {
                json.to_bytes()
            };
            if files.content(&path).is_some_and(|text| text != after) {
                gone.remarks.push(format!(
                    "the daemon of Determinate Nix removes the token from its netrc when it starts again: `{}`",
                    Determinate::restart()
                ));
            }
            ("determinate", Privacy::Public, after)
        } else {
            let mut conf = NixConf::parse(&text, &path, &mut |path| files.look_included(path))?;
            ledger.take_back_nix_conf(&path, &target.owner, &mut conf)?;
            ("nix.conf", Privacy::Public, conf.to_bytes())
        };
        let removal = ledger.file_to_remove(&path, &after);
        let exists = files.content(&path).is_some();
        let mut change = Change::new(
            &files,
            kind,
            &path,
            privacy,
            Some(after).filter(|_| exists && removal.is_none()),
        );
        change.directories = removal.unwrap_or_default();
        changes.files.push(change);
    }
    if let Some(entry) = &target.entry {
        let config = credentials.config_path();
        let token = credentials.token_file(&entry.name, entry.kind);
        files.look(&token)?;
        changes
            .files
            .push(Change::new(&files, "token", &token, Privacy::Secret, None));
        let text = files.look(&config)?;
        let text = text.map(String::from_utf8_lossy).map(String::from);
        let mut servers = ServerList::parse(&config, text.as_deref())?;
        servers.remove(&entry.name);
        let after = (!servers.is_blank()).then(|| servers.to_text().into_bytes());
        changes
            .files
            .push(Change::new(&files, "config", &config, Privacy::Kept, after));
        if entry.store == TokenStore::Keyring {
            let before = keyring::get(&entry.url)?;
            changes.keyring = before.map(|before| KeyringChange {
                server: entry.url.clone(),
                before: Some(before),
                after: None,
            });
        }
    }
    let after = if ledger == Ledger::default() {
        None
    } else {
        Some(ledger_text(&ledger)?)
    };
    changes.files.push(Change::new(
        &files,
        LEDGER,
        &ledger_path,
        Privacy::Secret,
        after,
    ));
    Ok(changes)
}

/// What a person may not expect.
fn remark(host: &str, taken: &TakenBack, path: &Path) -> Option<String> {
    let path = path.display();
    match taken {
        TakenBack::Removed | TakenBack::Gone | TakenBack::NotInUse => None,
        TakenBack::GivenBack => Some(format!(
            "{path}: the entry for {host} is again what it was before"
        )),
        TakenBack::HandedTo(other) => Some(format!(
            "{path}: the entry for {host} has the token for {other} again"
        )),
        TakenBack::Foreign => Some(format!(
            "{path}: the entry for {host} was changed since, and stays as it is"
        )),
    }
}

fn print(all: &[Gone], context: &Context) -> Result<(), CommandError> {
    if context.output.is_json() {
        let all: Vec<_> = all
            .iter()
            .map(|gone| {
                json!({ "server": gone.server, "revoked": gone.revoked, "remarks": gone.remarks })
            })
            .collect();
        return context.output.json(&all);
    }
    if all.is_empty() {
        context
            .output
            .remark("You were not logged in: nothing was changed.");
    }
    for gone in all {
        let token = if gone.revoked {
            "; the token is revoked"
        } else {
            ""
        };
        context
            .output
            .remark(&format!("Logged out of {}{token}.", gone.server));
        for remark in &gone.remarks {
            context.output.remark(&format!("  {remark}"));
        }
    }
    Ok(())
}
