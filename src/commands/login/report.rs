//! What a login says in the end: what was done where, and what may keep it from having an effect.

use fh_api::{Permission, Whoami};
use serde_json::json;
use time::OffsetDateTime;

use super::check::Facts;
use super::daemon::Daemon;
use super::files::{Done, FileReport};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::human;

/// All that is known after a login.
#[derive(Debug)]
pub(super) struct Report {
    facts: Facts,
    whoami: Whoami,
    done: Done,
    daemon: Daemon,
}

impl Report {
    pub(super) fn new(facts: Facts, whoami: Whoami, done: Done, daemon: Daemon) -> Self {
        Self {
            facts,
            whoami,
            done,
            daemon,
        }
    }

    pub(super) fn print(&self, context: &Context) -> Result<(), CommandError> {
        let warnings = self.warnings(&context.settings.user_name());
        if context.output.is_json() {
            return self.print_json(&warnings, context);
        }
        context.output.remark(&self.text(OffsetDateTime::now_utc()));
        for warning in &warnings {
            context.output.warning(warning);
        }
        Ok(())
    }

    fn changed(&self) -> bool {
        let touched = |file: &FileReport| !file.changes.is_empty() || file.tightened_from.is_some();
        self.done.files.iter().any(touched)
    }

    fn text(&self, now: OffsetDateTime) -> String {
        let Whoami {
            user, expires_at, ..
        } = &self.whoami;
        let mut lines = vec![format!(
            "Logged in to {} as {user}, until {}.",
            self.facts.server,
            human::date(*expires_at, now)
        )];
        if !self.changed() {
            lines.push("Everything was set up already: nothing was changed.".to_owned());
            return lines.join("\n");
        }
        let width = |file: &FileReport| file.path.display().to_string().chars().count();
        let width = self.done.files.iter().map(width).max().unwrap_or(0);
        for file in &self.done.files {
            let path = file.path.display().to_string();
            let mut what = if file.changes.is_empty() {
                "as it was".to_owned()
            } else {
                file.changes.join(", ")
            };
            if let Some(mode) = file.tightened_from {
                what.push_str(&format!(
                    "; others could read it (mode {mode:03o}), now they cannot"
                ));
            }
            lines.push(format!("  {path:<width$}  {what}"));
        }
        lines.push("See what you may read: `fh list flakes`".to_owned());
        lines.join("\n")
    }

    fn warnings(&self, user: &str) -> Vec<String> {
        let mut warnings = self.done.warnings.clone();
        if let Some(directory) = &self.facts.other_store_dir {
            warnings.push(format!(
                "this server serves paths of {directory}: a Nix with another store directory refuses them."
            ));
        }
        if !self.whoami.permissions.contains(&Permission::Pull) {
            warnings.push(
                "this token may not pull: Nix gets nothing but public flakes with it.".to_owned(),
            );
        }
        if let Some(skew) = self.facts.clock_skew() {
            let direction = if skew.is_positive() {
                "ahead of"
            } else {
                "behind"
            };
            warnings.push(format!(
                "this machine's clock is {} {direction} the server's: times of tokens will be misjudged.",
                human::elapsed(skew.unsigned_abs())
            ));
        }
        warnings.extend(self.daemon_warning(user));
        warnings
    }

    /// What an administrator has to do so that the login has an effect.
    fn daemon_warning(&self, user: &str) -> Option<String> {
        let beginning = match self.daemon {
            Daemon::Unknown | Daemon::None | Daemon::Trusting => return None,
            Daemon::Distrusting => {
                "the Nix daemon does not trust you, and so ignores your nix.conf and netrc."
            }
            Daemon::Silent => {
                "there is a Nix daemon; if it does not trust you, it ignores your nix.conf and netrc."
            }
        };
        let netrc: String = self
            .facts
            .hosts
            .iter()
            .map(|host| {
                format!(
                    "    machine {host} login {} password TOKEN\n",
                    self.whoami.user
                )
            })
            .collect();
        Some(format!(
            "{beginning}\n\
             An administrator can let everybody on this machine read this cache. In /etc/nix/nix.conf:\n\
             \x20   extra-substituters = {}\n\
             \x20   extra-trusted-public-keys = {}\n\
             in /etc/nix/netrc, readable by root alone (with your token, or a better one, for TOKEN):\n\
             {netrc}\
             Or let the daemon trust you, which makes you as mighty as root, in /etc/nix/nix.conf:\n\
             \x20   extra-trusted-users = {user}\n\
             Then: `sudo systemctl restart nix-daemon`",
            self.facts.cache,
            self.facts.public_keys.join(" "),
        ))
    }

    fn print_json(&self, warnings: &[String], context: &Context) -> Result<(), CommandError> {
        let files: Vec<_> = self
            .done
            .files
            .iter()
            .map(|file| {
                json!({
                    "kind": file.kind,
                    "path": file.path.to_string_lossy(),
                    "changes": file.changes,
                    "mode_before": file.tightened_from.map(|mode| format!("{mode:03o}")),
                })
            })
            .collect();
        context.output.json(&json!({
            "server": self.facts.server.as_str(),
            "substituter": self.facts.cache.as_str(),
            "public_keys": self.facts.public_keys,
            "user": self.whoami.user,
            "expires_at": human::timestamp(self.whoami.expires_at),
            "changed": self.changed(),
            "files": files,
            "warnings": warnings,
        }))
    }
}
