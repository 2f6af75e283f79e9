//! What a login says: what would be or was done where, and what may keep it from having an effect.

use std::path::Path;

use fh_api::{Name, Permission};
use fh_client::Reading;
use fh_conf::diff::{FileKind, unified};
use serde_json::json;
use time::OffsetDateTime;

use super::plan::{Plan, server_argument};
use crate::access::quoted;
use crate::context::Context;
use crate::error::CommandError;
use crate::output::human;
use crate::setup::daemon::Daemon;
use crate::setup::{Applied, Change, Changes, Machine, Scope};
use crate::site::{self, Identity, Line, Site};
use crate::text::side_by_side;

/// All that is known after a login.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) plan: Plan,
    /// What was done; none where it is only shown.
    pub(super) done: Option<Vec<Applied>>,
    /// Somebody has agreed to what was done, and knows it.
    pub(super) is_known: bool,
    pub(super) site: Site,
    pub(super) identity: Identity,
    pub(super) machine: Machine,
}

/// What becomes of which file, a line for each.
pub(super) fn summary(changes: &Changes) -> String {
    let mut rows = keyring_row(changes);
    for change in &changes.files {
        let access = change.tightened_from();
        let access =
            access.map(|mode| format!("others can read it (mode {mode:03o}), and no longer will"));
        rows.extend(row(&change.path, &change.what, access));
    }
    let mut lines = vec!["Logging in changes these files:".to_owned()];
    lines.extend(side_by_side(&rows));
    lines.extend(kept_for_group(changes));
    lines.join("\n")
}

/// The keyring, where the token in it changes.
fn keyring_row(changes: &Changes) -> Vec<(String, String)> {
    let row = || ("the system's keyring".to_owned(), "the token".to_owned());
    changes.keyring.iter().map(|_| row()).collect()
}

/// A file, and what becomes of it and of who may read it; none where there is nothing to say.
fn row(path: &Path, what: &[String], access: Option<String>) -> Option<(String, String)> {
    let what = Some(what.join(", ")).filter(|what| !what.is_empty());
    let told: Vec<String> = what.into_iter().chain(access).collect();
    (!told.is_empty()).then(|| (path.display().to_string(), told.join("; ")))
}

/// The differences of all files, secrets hidden.
pub(crate) fn difference(changes: &Changes) -> String {
    let mut text = String::new();
    if let Some(keyring) = &changes.keyring {
        let what = match keyring.after {
            Some(_) => "the token is added to the system's keyring",
            None => "the token is removed from the system's keyring",
        };
        text.push_str(&format!("{what} ({})\n", keyring.server));
    }
    for change in changes.shown() {
        let kind = match change.kind {
            "netrc" => FileKind::Netrc,
            "nix.conf" => FileKind::NixConf,
            "token" => FileKind::Secret,
            _ => FileKind::Plain,
        };
        text.push_str(&unified(
            &change.path,
            kind,
            change.before.as_deref(),
            change.after.as_deref(),
        ));
        if let Some(mode) = change.tightened_from() {
            text.push_str(&format!(
                "{}: others can read it (mode {mode:03o}), and no longer will\n",
                change.path.display()
            ));
        }
    }
    for line in kept_for_group(changes) {
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// Files with the token that a group may read, and goes on to.
fn kept_for_group(changes: &Changes) -> Vec<String> {
    let files = changes.files.iter();
    files
        .filter_map(|change| {
            let mode = change.kept_for_group()?;
            let path = quoted(&change.path);
            Some(format!(
                "{path}: its group can still read it (mode {mode:03o}); `chmod 600 {path}` prevents that"
            ))
        })
        .collect()
}

/// From where Nix reads afterwards, where that is not just the server: an address for each organisation.
pub(super) fn reads(site: &Site) -> Option<String> {
    site.organization_lines().next()?;
    let lines = site.lines.iter().flatten();
    let width = lines.clone().map(|line| line.url.as_str().len()).max()?;
    let mut text = "Nix reads from, in this order:".to_owned();
    for line in lines {
        let url = line.url.as_str();
        text.push_str(&format!("\n  {url:<width$}  {}", line.about()));
    }
    Some(text)
}

/// `--print`: what is to stand in the files, on stdout, to copy and paste.
pub(super) fn lines(plan: &Plan, context: &Context) -> Result<(), CommandError> {
    let mut text = String::from("# netrc\n");
    for line in &plan.netrc_lines {
        text.push_str(&format!("{line}\n"));
    }
    text.push_str("\n# nix.conf\n");
    for line in &plan.nix_conf_lines {
        text.push_str(&format!("{line}\n"));
    }
    context.output.text(&text)
}

impl Report {
    pub(super) fn print(&self, context: &Context) -> Result<(), CommandError> {
        let warnings = self.warnings(context);
        if context.output.is_json() {
            return self.print_json(&warnings, context);
        }
        let text = self.text(OffsetDateTime::now_utc());
        if self.done.is_some() {
            context.output.remark(&text);
        } else {
            // This is what was asked for.
            context.output.say(&text);
        }
        if let Some(snippet) = &self.plan.snippet {
            context.output.say(&format!(
                "{} is generated from a configuration, and was not changed. Add this there:\n{snippet}",
                self.machine.nix_conf_path().display()
            ));
        }
        for warning in &warnings {
            context.output.warning(warning);
        }
        Ok(())
    }

    /// Whether anything was, or would be, changed.
    pub(super) fn changed(&self) -> bool {
        match &self.done {
            None => !self.plan.changes.is_nothing(),
            Some(done) => {
                self.plan.changes.keyring.is_some()
                    || done
                        .iter()
                        .any(|file| !file.what.is_empty() || file.tightened_from.is_some())
            }
        }
    }

    fn text(&self, now: OffsetDateTime) -> String {
        let who = match &self.identity.user {
            Some(user) => format!(" as {user}"),
            None => String::new(),
        };
        let until = match self.identity.expires_at {
            Some(end) => format!(", until {}", human::date(end, now)),
            None => String::new(),
        };
        let server = &self.site.server;
        let Some(done) = &self.done else {
            if !self.changed() {
                return format!("Already set up for {server}: nothing would be changed.");
            }
            let reads = reads(&self.site).map_or_else(String::new, |reads| format!("{reads}\n"));
            return format!(
                "{}{reads}Nothing was changed: `--dry-run` only shows.",
                difference(&self.plan.changes)
            );
        };
        let mut lines = vec![format!("Logged in to {server}{who}{until}.")];
        if !self.changed() {
            lines.push("Already set up: nothing was changed.".to_owned());
            lines.extend(kept_for_group(&self.plan.changes));
            return lines.join("\n");
        }
        if !self.is_known {
            lines.extend(side_by_side(&self.rows(done)));
            lines.extend(kept_for_group(&self.plan.changes));
            lines.extend(reads(&self.site));
        }
        lines.push("To undo it: `fh logout`".to_owned());
        lines.join("\n")
    }

    /// What was done to which file.
    fn rows(&self, done: &[Applied]) -> Vec<(String, String)> {
        let mut rows = keyring_row(&self.plan.changes);
        let as_it_was = ["as it was".to_owned()];
        for file in done {
            let access = file.tightened_from;
            let access = access
                .map(|mode| format!("others could read it (mode {mode:03o}), now they cannot"));
            let what = match file.what.as_slice() {
                [] if access.is_some() => &as_it_was,
                what => what,
            };
            rows.extend(row(&file.path, what, access));
        }
        rows
    }

    fn warnings(&self, context: &Context) -> Vec<String> {
        let mut warnings = self.plan.warnings.clone();
        if let Some(directory) = &self.site.other_store_dir {
            warnings.push(format!(
                "this server serves paths of {directory}: a Nix with another store directory refuses them."
            ));
        }
        if let Some(whoami) = &self.identity.whoami
            && !whoami.permissions.contains(&Permission::Pull)
        {
            warnings.push(
                "this token may not read: with it, Nix gets only what everybody may read."
                    .to_owned(),
            );
        }
        if self.site.lines.as_ref().is_some_and(Vec::is_empty) {
            warnings.push(
                "there is nothing yet that you may read there, so no substituter was set up: each organisation \
                 of this server has its own address and keys. Log in again when you belong to one."
                    .to_owned(),
            );
        }
        if let Some(skew) = self.site.clock_skew() {
            let direction = site::direction(skew);
            warnings.push(format!(
                "this machine's clock is {} {direction} the server's: tokens may look expired, or not yet valid.",
                human::elapsed(skew.unsigned_abs())
            ));
        }
        let (user, command) = (context.settings.user_name(), self.administrator_command());
        if self.plan.needs_administrator {
            warnings.push(format!(
                "the Nix daemon does not trust {user}, and would ignore the substituter and its keys in your \
                 nix.conf: they were not added.\n\
                 What was set up works for `nix copy` and for downloads by Nix itself, but not for the \
                 daemon's builds and substitutions. For those, an administrator has to run this command:\n\
                 \x20   {command}"
            ));
        } else if self.machine.daemon == Daemon::Silent && self.machine.scope == Scope::User {
            warnings.push(format!(
                "there is a Nix daemon, and this version of Nix does not report whether it trusts {user}. If it \
                 does not, it ignores your nix.conf and netrc; then an administrator has to run:\n\
                 \x20   {command}"
            ));
        }
        if let Some(path) = &self.plan.netrc_of_machine {
            warnings.push(format!(
                "Nix reads {}, which the daemon of Determinate Nix writes for everybody on this machine: it was not \
                 changed. Unless it has a token for this server already, an administrator has to run this command:\n\
                 \x20   {command}",
                path.display(),
            ));
        }
        let is_new_conf = |change: &Change| change.kind == "nix.conf" && change.is_new();
        if self.machine.scope == Scope::System && self.plan.changes.files.iter().any(is_new_conf) {
            let restart = if cfg!(target_os = "macos") {
                "launchctl kickstart -k system/org.nixos.nix-daemon"
            } else {
                "systemctl restart nix-daemon"
            };
            warnings.push(format!(
                "a Nix daemon reads nix.conf when it starts. If one is running: `{restart}`"
            ));
        }
        warnings
    }

    /// The one command that sets up the machine for everybody.
    fn administrator_command(&self) -> String {
        let mut files = self.plan.changes.files.iter();
        let token = files.find(|change| change.kind == "token" && change.after.is_some());
        let mut command = format!(
            "sudo {} login --scope system --server {}",
            program(),
            server_argument(&self.site.server)
        );
        match &self.site.reading {
            Reading::Usual => {}
            Reading::Root => command.push_str(" --root"),
            Reading::Organizations(names) => {
                let names: Vec<&str> = names.iter().map(Name::as_str).collect();
                command.push_str(&format!(" --organizations {}", names.join(",")));
            }
        }
        if let Some(file) = token {
            command.push_str(&format!(" --token-file {}", quoted(&file.path)));
        }
        command
    }

    fn print_json(&self, warnings: &[String], context: &Context) -> Result<(), CommandError> {
        let mode = |mode: u32| format!("{mode:03o}");
        let file = |change: &Change| {
            json!({
                "kind": change.kind,
                "path": change.path.to_string_lossy(),
                "changes": change.what,
                "mode_before": change.tightened_from().map(mode),
                "mode_kept": change.kept_for_group().map(mode),
            })
        };
        let files: Vec<_> = self.plan.changes.shown().map(file).collect();
        let needs_administrator =
            self.plan.needs_administrator || self.plan.netrc_of_machine.is_some();
        let administrator = needs_administrator.then(|| self.administrator_command());
        context.output.json(&json!({
            "server": self.site.server.as_str(),
            "kind": self.site.kind.as_str(),
            "scope": self.machine.scope.as_str(),
            "substituter": self.site.substituter.as_ref().map(fh_client::ServerUrl::as_str),
            "substituters": substituters(&self.site),
            "public_keys": self.site.public_keys,
            "user": self.identity.user,
            "expires_at": self.identity.expires_at.map(human::timestamp),
            "changed": self.changed(),
            "dry_run": self.done.is_none(),
            "files": files,
            "snippet": self.plan.snippet,
            "administrator_command": administrator,
            "warnings": warnings,
        }))
    }
}

/// What Nix reads from, for programs.
fn substituters(site: &Site) -> Vec<serde_json::Value> {
    let Some(lines) = &site.lines else {
        let whole = site.substituter.iter();
        return whole.map(|url| json!({ "url": url.as_str() })).collect();
    };
    let of_line = |line: &Line| {
        json!({
            "url": line.url.as_str(),
            "organization": line.organization,
            "standing": line.standing,
        })
    };
    lines.iter().map(of_line).collect()
}

/// How to call this program from root's shell, whose search path is another.
fn program() -> String {
    let Ok(path) = std::env::current_exe() else {
        return "fh".to_owned();
    };
    let everybody = ["/usr/bin/fh", "/usr/local/bin/fh", "/bin/fh"];
    if everybody.iter().any(|usual| path.as_os_str() == *usual) {
        "fh".to_owned()
    } else {
        quoted(&path)
    }
}
