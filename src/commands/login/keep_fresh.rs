//! `fh login --workload --keep-fresh -- COMMAND`: the login lasts as long as the command, whatever the
//! life of a token.
//!
//! ```text
//! log in ─► start COMMAND ─► … renew, rewrite the files … ─► COMMAND ends ─► take back, exit as it did
//! ```
//!
//! Invariants: the command has our stdin, stdout and stderr, and goes on whatever becomes of a renewal;
//! files are written by the same code as a login's, and never after the login was taken back; a login
//! that was there before stays.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fh_client::workload::WorkloadSource;
use tokio::sync::oneshot;

use super::arguments::LoginArguments;
use super::asked::Asked;
use super::report::Report;
use super::workload::{self, Granted};
use crate::commands::child::{self, Signals};
use crate::context::Context;
use crate::error::{CommandError, Status};
use crate::setup::removal;
use crate::site::named;

/// The wait after a renewal that failed, doubled for each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// When a token is replaced. Earlier than one that only this program uses: what Nix has read from the netrc
/// goes with a request that may wait in its queue.
fn halfway(from: Instant, end: Option<Instant>) -> Option<Instant> {
    let end = end?;
    Some(from + end.saturating_duration_since(from) / 2)
}

/// A login, and the command that it is for.
pub(super) struct Session<'a> {
    pub(super) arguments: &'a LoginArguments,
    pub(super) context: &'a Context,
    pub(super) report: &'a Report,
    /// Whether somebody had logged in before.
    pub(super) was_there: bool,
}

impl Session<'_> {
    /// Runs the command to its end, with a token that is always good.
    pub(super) fn run(&self, granted: &Granted) -> Result<ExitCode, CommandError> {
        let result = self.attend(granted);
        // Not before all writing has ended, which it has now.
        if !self.was_there
            && let Err(error) = removal::take_back(&self.report.site.server, self.context)
        {
            self.context.output.warning(&format!(
                "the login could not be removed: {}",
                error.sentence()
            ));
        }
        result
    }

    fn attend(&self, granted: &Granted) -> Result<ExitCode, CommandError> {
        let failed = |error: std::io::Error| {
            CommandError::new(Status::Failed, error).context("cannot run the command")
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        std::thread::scope(|scope| {
            runtime.block_on(async {
                let mut signals = Signals::listen().map_err(failed)?;
                let mut running = match child::start(&self.arguments.command, None) {
                    Ok(running) => running,
                    Err(error) => return Ok(self.cannot_start(error)),
                };
                let mut keeping = std::pin::pin!(self.keep(granted, scope));
                loop {
                    tokio::select! {
                        status = running.wait() => {
                            let status = status.map_err(|error| {
                                CommandError::new(Status::Failed, error)
                                    .context("cannot find out how the command ended")
                            })?;
                            return Ok(ExitCode::from(child::code_of(status)));
                        }
                        came = signals.next() => came.pass_on(&running),
                        never = &mut keeping => match never {},
                    }
                }
            })
        })
    }

    fn cannot_start(&self, error: std::io::Error) -> ExitCode {
        let code = child::code_of_failed_start(&error);
        let program = self.arguments.command.first();
        let program = Path::new(program.map_or(OsStr::new(""), |word| word));
        CommandError::file("run", program, error).report(self.context.settings.terminals.color);
        ExitCode::from(code)
    }

    /// Renews the token in time, for ever.
    async fn keep<'scope>(
        &'scope self,
        granted: &Granted,
        scope: &'scope std::thread::Scope<'scope, '_>,
    ) -> std::convert::Infallible {
        let (site, context) = (&self.report.site, self.context);
        // Its connections belong to this runtime.
        let source = workload::workload(&self.arguments.workload, context).and_then(|workload| {
            workload::source(named(&site.reading), &site.server, workload, context)
        });
        let source = match source {
            Ok(source) => source,
            Err(error) => {
                self.warn(&error);
                return std::future::pending().await;
            }
        };
        let mut end = granted.end();
        let mut due = halfway(granted.asked, end);
        let mut wait = FIRST_WAIT;
        let (mut told, mut told_of_end) = (false, false);
        loop {
            let Some(at) = due else {
                return std::future::pending().await;
            };
            tokio::time::sleep_until(at.into()).await;
            match self.renew(&source, end, scope).await {
                Ok(granted) => {
                    let asked = granted
                        .as_ref()
                        .map_or_else(Instant::now, |granted| granted.asked);
                    if let Some(granted) = granted {
                        end = granted.end();
                    }
                    // Not in a circle, whatever a server says of a life.
                    due = halfway(asked, end).map(|due| due.max(Instant::now() + FIRST_WAIT / 2));
                    wait = FIRST_WAIT;
                    if told {
                        self.context.output.remark("The token was renewed.");
                    }
                    (told, told_of_end) = (false, false);
                }
                Err(error) => {
                    let over = end.is_some_and(|end| end <= Instant::now());
                    if !told || (over && !told_of_end) {
                        self.warn(&error);
                    }
                    (told, told_of_end) = (true, told_of_end || over);
                    due = Instant::now().checked_add(wait);
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    fn warn(&self, error: &CommandError) {
        self.context.output.warning(&format!(
            "the token for {} could not be renewed, and the command continues: {}",
            self.report.site.server,
            error.sentence()
        ));
    }

    /// Gets another token, and puts it wherever the login has put the first; none where the one that ends then
    /// lasts longer. That is so where the platform has no new identity yet, and its last one was used up.
    async fn renew<'scope>(
        &'scope self,
        source: &WorkloadSource,
        end: Option<Instant>,
        scope: &'scope std::thread::Scope<'scope, '_>,
    ) -> Result<Option<Granted>, CommandError> {
        let granted = workload::grant(source).await?;
        if granted
            .end()
            .is_some_and(|new| end.is_none_or(|end| new <= end))
        {
            return Ok(None);
        }
        let token = granted.exchanged.token.clone();
        let (sender, written) = oneshot::channel();
        // Beside this thread: another `fh` may have the lock, and the command's end is waited for here.
        scope.spawn(move || {
            let asked = Asked {
                arguments: self.arguments,
                site: &self.report.site,
                identity: &self.report.identity,
                token: &token,
                former: None,
                scope: self.report.machine.scope,
                daemon: self.report.machine.daemon,
            };
            // Nobody listens where the command has ended.
            let _ = sender.send(asked.write(self.context));
        });
        match written.await {
            Ok(written) => written.map(|_| Some(granted)),
            Err(_) => Err(CommandError::failed("the files could not be written")),
        }
    }
}
