//! What NIX_CONFIG, which Nix reads after all files, leaves of a login.

use fh_conf::Error;
use fh_conf::nix_conf::FileToEdit;

use super::{List, Work};
use crate::error::CommandError;
use crate::setup::Scope;
use crate::setup::daemon::Daemon;

impl Work<'_> {
    /// Whether NIX_CONFIG leaves in force what is written. For a person a login without effect is none;
    /// the machine's files serve others too, and so it is only said.
    pub(super) fn heeds_variable(&mut self, lists: &[List; 2]) -> Result<(), CommandError> {
        let machine = self.machine;
        let is_edited = matches!(machine.nix_conf, FileToEdit::Path { .. });
        for List { name, values, .. } in lists {
            // A daemon that does not trust the user goes by the machine's keys.
            if *name != "substituters" && machine.daemon == Daemon::Distrusting {
                continue;
            }
            let Some((path, line)) = machine.replaced_by_variable(name, values) else {
                continue;
            };
            if machine.scope == Scope::User && is_edited {
                let undone = Error::NixConfUndone {
                    name: (*name).to_owned(),
                    path: path.to_owned(),
                    line,
                };
                return Err(CommandError::from(undone).hint("Nothing was changed."));
            }
            self.plan.warnings.push(format!(
                "{} sets `{name}` at line {line}, and Nix that is started from this shell goes by that alone: \
                 write `extra-{name}` there in place of `{name}`.",
                path.display()
            ));
        }
        Ok(())
    }
}
