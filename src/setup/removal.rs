//! Taking back what logins have added: no more and no less.
//!
//! Invariants: all files change or none; what somebody else has changed since is theirs and stays.

use std::path::{Path, PathBuf};

use fh_client::{ServerEntry, ServerList, ServerUrl, TokenStore};
use fh_conf::atomic;
use fh_conf::ledger::{Ledger, TakenBack};
use fh_conf::netrc::Netrc;
use fh_conf::nix_conf::NixConf;
use serde::Serialize;

use super::changes::{Change, Changes, KeyringChange, Privacy};
use super::files::Files;
use super::keeper::{Determinate, is_generated, not_understood, parse_config};
use super::ledger::{ledger_change, noted};
use super::lock::hold;
use crate::context::Context;
use crate::error::CommandError;
use crate::keyring;

/// A login of which something is left here.
pub(crate) struct Login {
    /// The address of its server: what its part in the files is noted under.
    owner: String,
    /// The server as `config.toml` knows it, if it does.
    entry: Option<ServerEntry>,
}

/// A login that was taken back, with its fields in the order in which `--json` prints them.
#[derive(Debug, Serialize)]
pub(crate) struct Removed {
    /// What a person may not expect.
    remarks: Vec<String>,
    /// Whether the token is no longer valid anywhere.
    revoked: bool,
    server: String,
}

/// All logins, in the order of their addresses.
pub(crate) fn logins(context: &Context) -> Result<Vec<Login>, CommandError> {
    let mut known = context.credentials()?.list()?;
    let (_, _, ledger) = noted(&context.settings)?;
    let mut owners: Vec<String> = known.iter().map(|entry| entry.url.to_string()).collect();
    owners.extend(ledger.owners().into_iter().map(str::to_owned));
    owners.sort();
    owners.dedup();
    let logins = owners.into_iter().map(|owner| {
        let is_of = |entry: &mut ServerEntry| entry.url.as_str() == owner;
        let entry = known.extract_if(.., is_of).next();
        Login { owner, entry }
    });
    Ok(logins.collect())
}

/// The login to a server, if there is one.
pub(crate) fn login_to(
    server: &ServerUrl,
    context: &Context,
) -> Result<Option<Login>, CommandError> {
    let mut logins = logins(context)?.into_iter();
    Ok(logins.find(|login| login.owner == server.as_str()))
}

/// Says which logins were taken back.
pub(crate) fn say(removed: &[Removed], context: &Context) -> Result<(), CommandError> {
    if context.output.is_json() {
        return context.output.json(&removed);
    }
    if removed.is_empty() {
        let nothing = "You were not logged in: nothing was changed.";
        context.output.remark(nothing);
    }
    for Removed {
        server,
        revoked,
        remarks,
    } in removed
    {
        let token = if *revoked {
            "; the token is revoked"
        } else {
            ""
        };
        context
            .output
            .remark(&format!("Logged out of {server}{token}."));
        for remark in remarks {
            context.output.remark(&format!("  {remark}"));
        }
    }
    Ok(())
}

impl Login {
    /// The server as `config.toml` knows it, if it does.
    pub(crate) fn entry(&self) -> Option<&ServerEntry> {
        self.entry.as_ref()
    }

    /// Takes it back. `revoked` is what there is to know about a token that was revoked before.
    pub(crate) fn remove(
        self,
        revoked: Option<Vec<String>>,
        context: &Context,
    ) -> Result<Removed, CommandError> {
        let directories = context.settings.directories()?;
        let held = hold(context)?;
        let (changes, told) = self.changes(context)?;
        changes.apply()?;
        drop(held);
        // What only we can have made, if nothing else is in it.
        let tokens = directories.fh_config.join("tokens");
        atomic::remove_empty_directories(&[directories.fh_config, tokens]);
        Ok(Removed {
            server: self.owner,
            revoked: revoked.is_some(),
            remarks: revoked.into_iter().flatten().chain(told).collect(),
        })
    }

    /// What is to be done, and what a person may not expect of it.
    fn changes(&self, context: &Context) -> Result<(Changes, Vec<String>), CommandError> {
        let (mut files, ledger_path, before) = noted(&context.settings)?;
        let mut ledger = before.clone();
        let (mut changes, mut remarks) = (Changes::default(), Vec::new());
        // The last of a login's files first.
        let paths = ledger.files_of(&self.owner).into_iter().rev();
        let paths: Vec<PathBuf> = paths.map(Path::to_owned).collect();
        for path in paths {
            let change = self.of_file(&path, &mut files, &mut ledger, &mut remarks)?;
            changes.files.push(change);
        }
        if let Some(entry) = &self.entry {
            let credentials = context.credentials()?;
            let config = credentials.config_path();
            let token = credentials.token_file(&entry.name, entry.kind);
            files.look(&token)?;
            let text = files.look(&config)?;
            let text = text.map(String::from_utf8_lossy).map(String::from);
            let mut servers = ServerList::parse(&config, text.as_deref())?;
            servers.remove(&entry.name);
            let after = (!servers.is_blank()).then(|| servers.to_text().into_bytes());
            changes.files.extend([
                Change::new(&files, "token", &token, Privacy::Secret, None),
                Change::new(&files, "config", &config, Privacy::Kept, after),
            ]);
            if entry.store == TokenStore::Keyring {
                let before = keyring::get(&entry.url)?;
                changes.keyring = before.map(|before| KeyringChange {
                    server: entry.url.clone(),
                    before: Some(before),
                    after: None,
                });
            }
        }
        changes
            .files
            .push(ledger_change(&files, &ledger_path, &before, &ledger)?);
        Ok((changes, remarks))
    }

    /// What becomes of one file that logins have written to.
    fn of_file(
        &self,
        path: &Path,
        files: &mut Files,
        ledger: &mut Ledger,
        remarks: &mut Vec<String>,
    ) -> Result<Change, CommandError> {
        let owner = self.owner.as_str();
        let text = files.look(path)?.unwrap_or_default().to_vec();
        let (kind, privacy, after) = if ledger.is_netrc(path) {
            let mut netrc = Netrc::parse(&text)?;
            let taken = ledger.take_back_netrc(path, owner, &mut netrc)?;
            let told = taken.iter().filter_map(|(host, taken)| remark(host, taken));
            remarks.extend(told.map(|told| format!("{}: {told}", path.display())));
            let mode = files.mode(path);
            let mode = mode.and_then(|now| ledger.take_back_mode(path, owner, now));
            let privacy = mode.map_or(Privacy::Kept, Privacy::GivenBack);
            ("netrc", privacy, netrc.to_bytes())
        } else if ledger.is_json(path) {
            let mut json = parse_config(files, path)?;
            let before = json.to_bytes();
            ledger
                .take_back_json(path, owner, &mut json)
                .map_err(|error| not_understood(path, error))?;
            // One that is made from a configuration by now is not ours to change.
            let after = if is_generated(path) {
                before
            } else {
                json.to_bytes()
            };
            if files.content(path).is_some_and(|text| text != after) {
                remarks.push(format!(
                    "the daemon of Determinate Nix removes the token from its netrc when it starts again: `{}`",
                    Determinate::restart()
                ));
            }
            ("determinate", Privacy::Public, after)
        } else {
            let mut conf = NixConf::parse(&text, path, &mut |path| files.look_included(path))?;
            ledger.take_back_nix_conf(path, owner, &mut conf)?;
            ("nix.conf", Privacy::Public, conf.to_bytes())
        };
        let removal = ledger.file_to_remove(path, &after);
        let stays = files.content(path).is_some() && removal.is_none();
        let mut change = Change::new(files, kind, path, privacy, stays.then_some(after));
        change.directories = removal.unwrap_or_default();
        Ok(change)
    }
}

/// What a person may not expect of an entry.
fn remark(host: &str, taken: &TakenBack) -> Option<String> {
    match taken {
        TakenBack::Removed | TakenBack::Gone | TakenBack::NotInUse => None,
        TakenBack::GivenBack => Some(format!("the entry for {host} is again what it was before")),
        TakenBack::HandedTo(other) => Some(format!(
            "the entry for {host} has the token for {other} again"
        )),
        TakenBack::Foreign => Some(format!(
            "the entry for {host} was changed since, and stays as it is"
        )),
    }
}

/// Takes a login back without a word, but for what a person may not expect.
pub(crate) fn take_back(server: &ServerUrl, context: &Context) -> Result<(), CommandError> {
    if let Some(login) = login_to(server, context)? {
        for remark in login.remove(None, context)?.remarks {
            context.output.remark(&remark);
        }
    }
    Ok(())
}
