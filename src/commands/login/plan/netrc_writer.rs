//! A netrc that somebody else writes: the daemon of Determinate Nix, or a secret manager.
//!
//! Such a file is never changed. What Determinate's daemon is to put into it stands in a netrc of ours, which its
//! configuration names. A secret manager has to be told by the person.

use std::path::Path;

use fh_conf::netrc::Netrc;
use secrecy::ExposeSecret as _;

use super::Work;
use crate::error::CommandError;
use crate::setup::keeper::{Determinate, Keeper, SOURCES, not_understood, parse_config};
use crate::setup::{Change, Privacy, Scope};

impl Work<'_> {
    /// What is to be written so that the netrc that Nix reads gets the token.
    pub(super) fn netrc_of_keeper(&mut self, path: &Path) -> Result<Vec<Change>, CommandError> {
        match self.machine.determinate.keeper(path) {
            Keeper::Nobody => Ok(self.netrc(path)?.into_iter().collect()),
            Keeper::Determinate if self.machine.scope == Scope::System => self.determinate(),
            Keeper::Determinate => {
                if self.lacks_token(path) {
                    self.plan.netrc_of_machine = Some(path.to_owned());
                }
                Ok(Vec::new())
            }
            Keeper::SecretManager => {
                if self.lacks_token(path) {
                    self.plan.warnings.push(format!(
                        "Nix reads {path}, and whatever writes the files below /run (a secret manager such as \
                         agenix or sops-nix) would replace what fh writes there: it was not changed, and as far as fh \
                         can see it has no token for this server.\n\
                         Add the `machine` lines that `fh login --print` prints to the secret that becomes this file, \
                         or let `netrc-file` in nix.conf name another file.",
                        path = path.display()
                    ));
                }
                Ok(Vec::new())
            }
        }
    }

    /// Notes the lines for a netrc that is not written; whether one is missing there and was asked for.
    fn lacks_token(&mut self, path: &Path) -> bool {
        let token = self.wanted.token.expose_secret();
        let present = self.machine.files.included(path).ok().flatten();
        let netrc = Netrc::parse(present.as_deref().unwrap_or_default()).ok();
        let mut is_missing = false;
        let site = self.wanted.site;
        for host in &site.hosts {
            self.note_netrc_line(host, &self.login());
            let entry = netrc.as_ref().and_then(|netrc| netrc.get(host));
            let password = entry.as_ref().and_then(|entry| entry.password());
            is_missing |= password != Some(token.as_bytes());
        }
        is_missing && self.wanted.netrc
    }

    /// A netrc of ours, and its name in the configuration of Determinate's daemon.
    fn determinate(&mut self) -> Result<Vec<Change>, CommandError> {
        let machine = self.machine;
        let (source, config) = (machine.determinate.source(), &machine.determinate.config);
        let mut changes: Vec<Change> = self.netrc(&source)?.into_iter().collect();
        if !self.wanted.netrc {
            return Ok(changes);
        }
        let name = source.to_string_lossy();
        let mut json = parse_config(&machine.files, config)?;
        let refused = |error| not_understood(config, error);
        if machine.config_is_generated {
            if !json.list_holds(&SOURCES, &name).map_err(refused)? {
                self.plan.warnings.push(format!(
                    "{config} is generated from a configuration, and was not changed. Let `{}` name {name} there.",
                    SOURCES.join("."),
                    config = config.display()
                ));
            }
        } else {
            let is_new = self
                .ledger
                .add_to_json(config, &self.owner, &mut json, &SOURCES, &name)
                .map_err(refused)?;
            self.note_file(config, is_new);
            let after = Some(json.to_bytes());
            let mut change = self.change("determinate", config, Privacy::Public, after);
            change.what.extend(
                is_new.then(|| format!("a source of {}", machine.determinate.netrc.display())),
            );
            // First, so that a new directory is one for everybody.
            changes.insert(0, change);
        }
        if changes.iter().any(Change::is_new) {
            self.plan.warnings.push(format!(
                "the daemon of Determinate Nix reads these files when it starts, and then puts the token into {}: `{}`",
                machine.determinate.netrc.display(),
                Determinate::restart()
            ));
        }
        Ok(changes)
    }
}
