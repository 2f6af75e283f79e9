//! The entries of a netrc: which may be replaced, by what, and who may read the file.

use std::path::{Path, PathBuf};

use fh_conf::ledger::Standing;
use fh_conf::netrc::{Change as NetrcChange, Netrc, is_login};
use secrecy::ExposeSecret as _;

use super::Work;
use crate::error::CommandError;
use crate::setup::renewal::Renewed;
use crate::setup::{Change, netrc_change, parse_netrc};

impl Work<'_> {
    /// The netrc with an entry for each host; nothing where netrcs are left alone.
    pub(super) fn netrc(&mut self, path: &Path) -> Result<Option<Change>, CommandError> {
        let site = self.wanted.site;
        let token = self.wanted.token.expose_secret();
        let files = &self.machine.files;
        let mut netrc = parse_netrc(files, path)?;
        let mut what = Vec::new();
        for host in &site.hosts {
            let entry = netrc.get(host);
            let has_token = entry
                .as_ref()
                .is_some_and(|entry| entry.password() == Some(token.as_bytes()));
            // Servers take any login: one that is there already is as good.
            let present = entry
                .as_ref()
                .filter(|_| has_token && self.wanted.user.is_none())
                .and_then(|entry| entry.login())
                .map(|login| String::from_utf8_lossy(login).into_owned());
            let login = present.unwrap_or_else(|| self.login());
            self.note_netrc_line(host, &login);
            if !self.wanted.netrc {
                continue;
            }
            if !has_token {
                self.may_replace(path, &netrc, host)?;
            }
            match self
                .ledger
                .set_netrc_entry(path, &self.owner, &mut netrc, host, &login, token)?
            {
                NetrcChange::Unchanged => {}
                NetrcChange::Added => what.push(format!("an entry for {host}")),
                NetrcChange::Updated => what.push(format!("the entry of {host}")),
            }
        }
        if !self.wanted.netrc {
            return Ok(None);
        }
        let is_written = self.note_file(path, !what.is_empty());
        let after = is_written.then(|| netrc.to_bytes());
        let noted = (&mut self.ledger, self.owner.as_str());
        let mut change = netrc_change(files, path, self.machine.scope, after, noted);
        change.what = what;
        Ok(Some(change))
    }

    /// The netrc files of earlier logins, which Nix does not read by these settings: a renewed token goes there too.
    /// Not to those that are `read`, or `planned` already.
    pub(super) fn other_netrcs(
        &mut self,
        read: Vec<PathBuf>,
        planned: &[Change],
    ) -> Result<Vec<Change>, CommandError> {
        let Some(former) = self.wanted.former else {
            return Ok(Vec::new());
        };
        let renewed = Renewed {
            owner: &self.owner,
            former,
            token: self.wanted.token,
            scope: self.machine.scope,
        };
        let mut done = read;
        done.extend(planned.iter().map(|change| change.path.clone()));
        renewed.netrcs(&self.machine.files, &mut self.ledger, &done)
    }

    /// Notes a line for those who write their netrc themselves, once.
    pub(super) fn note_netrc_line(&mut self, host: &str, login: &str) {
        let token = self.wanted.token.expose_secret();
        let line = format!("machine {host} login {login} password {token}");
        if !self.plan.netrc_lines.contains(&line) {
            self.plan.netrc_lines.push(line);
        }
    }

    /// The login for a netrc; servers take any.
    pub(super) fn login(&self) -> String {
        let user = self.wanted.user.filter(|user| is_login(user));
        self.wanted.site.login.or(user).unwrap_or("fh").to_owned()
    }

    /// Whether the entry of a host may get our token, with a word about whose it was.
    fn may_replace(&mut self, path: &Path, netrc: &Netrc, host: &str) -> Result<(), CommandError> {
        match self.ledger.netrc_standing(path, netrc, host) {
            Standing::Free => Ok(()),
            Standing::Owned(owner) if owner == self.owner => Ok(()),
            Standing::Owned(other) => {
                self.plan.warnings.push(format!(
                    "the netrc entry that Nix used for {other} gets the token of this server.\n\
                     A netrc has one entry for each host, whatever the port: give one of the two \
                     servers another host name."
                ));
                Ok(())
            }
            Standing::Foreign => {
                let entry = netrc.get(host);
                let password = entry.as_ref().and_then(|entry| entry.password());
                if password.is_none_or(is_token) {
                    return Ok(());
                }
                Err(CommandError::failed(format!(
                    "{} has an entry for {host} that is not a token",
                    path.display()
                ))
                .hint(
                    "A netrc has one entry for each host, whatever the port. If this one is not \
                     needed, remove it and try again.",
                )
                .hint("Nothing was changed."))
            }
        }
    }

    /// Says so where a netrc of the system goes out of sight: Nix reads one only.
    pub(super) fn hides_system_netrc(&mut self, netrc_file: &Path) {
        let system = &self.machine.system_netrc;
        let what = match self.machine.files.included(system) {
            Ok(None) => return,
            Ok(Some(text)) => match Netrc::parse(&text).map(|netrc| netrc.hosts()) {
                Ok(hosts) if hosts.is_empty() => return,
                Ok(hosts) => format!("has entries for {}", hosts.join(", ")),
                Err(_) => "may have entries".to_owned(),
            },
            Err(_) => "may have entries".to_owned(),
        };
        self.plan.warnings.push(format!(
            "Nix reads only one netrc, from now on yours. {} {what}: copy what you need to {}.",
            system.display(),
            netrc_file.display()
        ));
    }
}

/// Whether a password looks like a token: ours, FlakeHub's, or any JWT.
fn is_token(password: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(password) else {
        return false;
    };
    text.starts_with(fh_api::TOKEN_PREFIX)
        || text.starts_with("flakehub1_")
        || (text.starts_with("ey") && text.split('.').count() == 3)
}
