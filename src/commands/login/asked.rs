//! What a login would change, from what is there now; and doing it, once it was agreed to.

use fh_api::TokenInfo;
use fh_conf::nix_conf::FileToEdit;
use secrecy::SecretString;
use time::OffsetDateTime;

use super::arguments::LoginArguments;
use super::plan::{self, Plan, Wanted};
use super::report;
use crate::context::Context;
use crate::error::CommandError;
use crate::setup::daemon::Daemon;
use crate::setup::{self, Applied, Machine, Scope, renewal};
use crate::site::{Identity, Site};
use crate::{keyring, terminal};

/// All that a plan is made of but the files.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) arguments: &'a LoginArguments,
    pub(super) site: &'a Site,
    pub(super) identity: &'a Identity,
    pub(super) token: &'a SecretString,
    /// The token that is to be renewed, and whose place [`Self::token`] takes.
    pub(super) former: Option<&'a SecretString>,
    pub(super) scope: Scope,
    pub(super) daemon: Daemon,
}

impl Asked<'_> {
    /// When the token would end if it was renewed now, where it can be.
    pub(super) fn renewable_until(&self) -> Option<OffsetDateTime> {
        let whoami = self.identity.whoami.as_ref();
        whoami.and_then(|whoami| whoami.renewable_until)
    }

    /// Looks at what is there, and works out what to change.
    pub(super) fn plan(&self, context: &Context) -> Result<(Plan, Machine), CommandError> {
        let credentials = context.credentials()?;
        let mut machine = Machine::look(&context.settings, self.scope, self.daemon)?;
        self.refuse_unknown_keys(&machine)?;
        let reading = self.arguments.lines.chosen();
        let wanted = Wanted {
            site: self.site,
            reading: reading.as_ref(),
            user: self.identity.user.as_deref(),
            token: self.token,
            former: self.former,
            netrc: !self.arguments.no_netrc,
            nix_conf: !self.arguments.no_nix_conf,
            store: self.arguments.store,
            ca_file: context.settings.server_ca_file.as_deref(),
        };
        let keeping = plan::keeping(&wanted, &machine, |entry| {
            credentials.token_file(&entry.name, entry.kind)
        })?;
        machine.files.look(&keeping.token_file)?;
        if self.former.is_some() {
            let ledger = setup::ledger_of(&machine.files, &machine.ledger)?;
            for netrc in renewal::netrc_files(&ledger, self.site.server.as_str()) {
                machine.files.look(&netrc)?;
            }
        }
        // Also for a plan that is only shown: a keyring that is not there would fail it.
        let in_keyring = if keeping.uses_keyring && !self.arguments.print {
            keyring::get(&keeping.entry.url)?
        } else {
            None
        };
        let plan = plan::plan(&wanted, &machine, &keeping, in_keyring.as_ref())?;
        Ok((plan, machine))
    }

    /// That nix.conf can be written: the keys are known, or the file is made from a configuration and is not
    /// written anyway.
    ///
    /// # Errors
    /// Where nobody has told the keys.
    fn refuse_unknown_keys(&self, machine: &Machine) -> Result<(), CommandError> {
        let is_written = matches!(machine.nix_conf, FileToEdit::Path { .. });
        let known = !self.site.public_keys.is_empty() || !self.arguments.offline;
        if known || self.arguments.no_nix_conf || !is_written {
            return Ok(());
        }
        Err(CommandError::usage(format!(
            "the public keys of {} are not known, and --offline does not ask the server",
            self.site.server
        ))
        .hint("Log in once without --offline, or leave nix.conf as it is: `--no-nix-conf`."))
    }

    /// Asks where there is somebody to ask, and does what was planned: the files that were changed, and the new token
    /// if the former one was renewed.
    pub(super) async fn act(
        &self,
        plan: &Plan,
        machine: &Machine,
        context: &Context,
    ) -> Result<(Vec<Applied>, Option<TokenInfo>), CommandError> {
        if plan.changes.is_nothing() {
            return Ok((Vec::new(), None));
        }
        // Nobody has to agree to what the server is going to refuse.
        let is_possible = self.former.is_none() || self.renewable_until().is_some();
        let asks = is_possible && self.arguments.may_ask(context);
        let diff = report::difference(&plan.changes);
        if self.arguments.diff {
            context.output.say(&diff);
        }
        if asks {
            if !self.arguments.diff {
                context.output.say(&report::summary(&plan.changes));
            }
            if let Some(reads) = report::reads(self.site) {
                context.output.say(&reads);
            }
            for warning in &plan.warnings {
                context.output.warning(warning);
            }
            let show = || context.output.say(&diff);
            if !terminal::confirm_changes("Make these changes?", &show).await? {
                return Err(CommandError::failed("not confirmed").hint("Nothing was changed."));
            }
        }
        let _held = setup::hold(context)?;
        // Under the lock: another fh may have been here.
        let (now, now_seen) = self.plan(context)?;
        if asks && !now.changes.is_same(&plan.changes) {
            return Err(CommandError::failed(format!(
                "the files of {} were changed while you were asked",
                machine.scope.as_str()
            ))
            .hint("Nothing was changed by this login: try again."));
        }
        let Some(former) = self.former else {
            return Ok((applied(&now, &now_seen)?, None));
        };
        let write = |token: &SecretString| {
            let (plan, machine) = Asked { token, ..*self }.plan(context)?;
            applied(&plan, &machine)
        };
        let server = &self.site.server;
        let (info, applied) = renewal::carry_out(server, former, context, write).await?;
        Ok((applied, Some(info)))
    }

    /// Does what is to be done now, whatever was shown.
    pub(super) fn write(&self, context: &Context) -> Result<Vec<Applied>, CommandError> {
        let _held = setup::hold(context)?;
        let (plan, machine) = self.plan(context)?;
        applied(&plan, &machine)
    }
}

/// Does what was planned for a machine.
fn applied(plan: &Plan, machine: &Machine) -> Result<Vec<Applied>, CommandError> {
    let applied = plan.changes.apply();
    applied.map_err(|error| machine.explained(error))
}
