//! `fh push --watch-exec`: what a command builds is pushed while it builds on.
//!
//! ```text
//! command ─► nix ─► post-build hook ──► file ─┐
//!                   or: the store's directory ┴─► batches ─► pushes      … command ends
//!                                                                         └─► the rest, in time
//! ```
//!
//! Invariants: the command has our stdin, stdout and stderr, and nothing is printed between its own
//! lines but what went wrong; the object of `--json` comes after its end; its exit status is ours, whatever becomes of the push (unless
//! `--fail-on-push-error` asks otherwise); after its end nothing is waited for longer than
//! `--drain-timeout`; what it built before it failed is pushed as well.

mod hook;
mod pusher;
mod store;
mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fh_client::push::PushObserver;
use fh_client::{Error as ClientError, NixTools, PushEvent};
use fh_nix::StorePath;
use tokio::process::Child;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::arguments::{PushArguments, WatchBy};
use super::destination::{Destination, Manner, Opened};
use super::tools::silent_tools;
use crate::commands::child::{self, Received, Signals};
use crate::context::Context;
use crate::error::{CommandError, Status};
use crate::output::human;
use crate::setup::daemon::{self, Daemon};
use hook::Hook;
pub(crate) use hook::{RELAY, relay};
use pusher::{Outcome, Pusher};
use store::StoreWatch;
use summary::Summary;

/// How often it is looked for what was built.
const INTERVAL: Duration = Duration::from_millis(200);

/// A nix that does not tell its settings is no reason to wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a command waits for a server that does not answer.
const PREFLIGHT: Duration = Duration::from_secs(5);

/// A Ctrl-C that ended the command reaches us at about the same time.
const SAME_INTERRUPT: Duration = Duration::from_millis(500);

/// Threads that cannot be stopped are waited for no longer.
const SHUTDOWN: Duration = Duration::from_millis(200);

pub(super) fn run(arguments: &PushArguments, context: &Context) -> Result<ExitCode, CommandError> {
    if arguments.paths.is_empty() {
        return Err(CommandError::usage("there is no command to run")
            .hint("Give it after `--`: `fh push ORG/PROJECT --watch-exec -- nix build .#app`"));
    }
    let (destination, soon) = Destination::resolve(arguments, context)?;
    let tools = silent_tools(arguments, context)?;
    let cannot_start = |error: std::io::Error| {
        CommandError::new(Status::Failed, error).context("cannot start watching")
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(cannot_start)?;
    let result = runtime.block_on(async {
        let signals = Signals::listen().map_err(cannot_start)?;
        let watch = Watch::begin(arguments.watch_by, &tools, context).await?;
        let outcome = Arc::new(Mutex::new(Outcome::default()));
        let remark = {
            let output = context.output;
            Arc::new(move |text: &str| output.warning(text))
        };
        let pusher = Pusher {
            destination,
            manner: Manner::new(arguments, context),
            tools,
            target: arguments.target.clone(),
            outcome: Arc::clone(&outcome),
            remark,
        };
        let opened = preflight(&pusher, context).await?;
        let session = Session {
            arguments,
            context,
            signals,
            outcome,
            begun: Instant::now(),
        };
        session.run(watch, pusher, opened).await
    });
    runtime.shutdown_timeout(SHUTDOWN);
    if let (Ok(_), Some(soon)) = (&result, soon) {
        soon.warn(context);
    }
    result
}

/// Asks whether a push would be let in, before the command runs. One that would be refused is an error; a server that
/// cannot be asked now may be there when something is built.
async fn preflight(pusher: &Pusher, context: &Context) -> Result<Option<Opened>, CommandError> {
    let trouble = Arc::new(LastTrouble::default());
    let observer: Arc<dyn PushObserver> = trouble.clone();
    let asked = async {
        let destination = pusher.destination.clone();
        let opened = destination
            .open(&observer, |text| (pusher.remark)(text))
            .await?;
        let allowed = opened.check(&observer).await;
        allowed.map_err(|error| opened.explain(error, &pusher.target))?;
        Ok::<_, CommandError>(opened)
    };
    let why = match tokio::time::timeout(PREFLIGHT, asked).await {
        Ok(Ok(opened)) => return Ok(Some(opened)),
        Ok(Err(error)) if !may_pass(&error) => return Err(error),
        Ok(Err(error)) => error.sentence(),
        Err(_) => trouble
            .last()
            .unwrap_or_else(|| "there was no answer in time".to_owned()),
    };
    context.output.warning(&format!(
        "cannot push to {} now: {why}\nThe command runs, and what it builds is pushed when that works again.",
        pusher.target
    ));
    Ok(None)
}

/// Whether the same may succeed later: nobody answered, or the server says that it cannot now.
fn may_pass(error: &CommandError) -> bool {
    let Some(error) = error.downcast_ref::<ClientError>() else {
        return false;
    };
    match error.status() {
        Some(status) => status >= 500 || status == 429,
        None => matches!(
            error,
            ClientError::Unreachable { .. } | ClientError::OutOfTime { .. }
        ),
    }
}

/// Remembers why something is tried again.
#[derive(Default)]
struct LastTrouble(Mutex<Option<String>>);

impl LastTrouble {
    fn last(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl PushObserver for LastTrouble {
    fn event(&self, event: &PushEvent<'_>) {
        if let PushEvent::Retrying(retry) = event {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(retry.error.to_string());
        }
    }
}

/// What tells of built paths.
struct Watch {
    tools: NixTools,
    hook: Option<Hook>,
    store: Option<StoreWatch>,
    /// Derivations whose outputs are not known yet.
    derivations: BTreeSet<StorePath>,
    /// What was built and cannot be pushed, as it is not known what it is; and why.
    unknown: BTreeMap<String, String>,
}

impl Watch {
    async fn begin(by: WatchBy, tools: &NixTools, context: &Context) -> Result<Self, CommandError> {
        let wants_hook = match by {
            WatchBy::Hook => true,
            WatchBy::Store => false,
            // Before 2.14 a daemon does not say whether it trusts: then there may be no hook.
            WatchBy::Auto => match daemon::look().await {
                Daemon::None => true,
                Daemon::Trusting => sees_our_files(context).await,
                Daemon::Unknown | Daemon::Distrusting | Daemon::Silent => false,
            },
        };
        let mut watch = Self {
            tools: tools.clone(),
            hook: None,
            store: None,
            derivations: BTreeSet::new(),
            unknown: BTreeMap::new(),
        };
        if wants_hook {
            match hook(context).await {
                Ok(hook) => {
                    watch.hook = Some(hook);
                    return Ok(watch);
                }
                Err(error) if by == WatchBy::Hook => {
                    return Err(CommandError::new(Status::Failed, error)
                        .context("cannot create a post-build hook"));
                }
                Err(error) => tracing::debug!(%error, "no hook"),
            }
        }
        let directory = tools.store_directory();
        let store = StoreWatch::new(&directory).map_err(|error| {
            CommandError::file("watch", &directory, error)
                .hint("Is Nix installed, and is this its store?")
        })?;
        watch.store = Some(store);
        Ok(watch)
    }

    /// Hands on what is built, until the command has ended and all of it was.
    async fn run(
        mut self,
        sender: UnboundedSender<String>,
        ended: oneshot::Receiver<()>,
        outcome: Arc<Mutex<Outcome>>,
    ) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(ended);
        loop {
            let last = tokio::select! {
                biased;
                _ = &mut ended => true,
                _ = ticks.tick() => false,
            };
            for path in self.built(last).await {
                // The receiver is gone only where nothing is to be pushed any more.
                let _ = sender.send(path);
            }
            if last {
                pusher::lock(&outcome).unknown = self.unknown;
                return;
            }
        }
    }

    /// What was built since the last call.
    async fn built(&mut self, thorough: bool) -> Vec<String> {
        let mut built = Vec::new();
        if let Some(hook) = &mut self.hook {
            for path in hook.built() {
                let derivation = path.ends_with(".drv");
                match self.tools.store_dir.parse_path(&path) {
                    Ok(path) if derivation => drop(self.derivations.insert(path)),
                    Ok(_) => built.push(path),
                    Err(error) => drop(self.unknown.insert(path, error.to_string())),
                }
            }
        }
        if !self.derivations.is_empty() {
            let outputs = self.tools.outputs(&self.derivations).await;
            let full = |path: &StorePath| self.tools.store_dir.display(path);
            built.extend(outputs.paths.iter().map(full));
            let unknown = outputs.unknown.iter();
            self.unknown
                .extend(unknown.map(|(path, why)| (full(path), why.clone())));
            self.derivations.clear();
        }
        if let Some(store) = &mut self.store {
            built.extend(store.built(&self.tools, thorough).await);
        }
        built
    }
}

/// Whether the daemon can run a hook of ours: it is root or this user, and in no other container. A
/// build would fail of a hook that its daemon cannot find.
async fn sees_our_files(context: &Context) -> bool {
    let Ok(socket) = context.settings.nix_daemon_socket() else {
        return false;
    };
    let connected = tokio::time::timeout(PATIENCE, tokio::net::UnixStream::connect(socket)).await;
    let Ok(Ok(peer)) = connected.map(|stream| stream.and_then(|stream| stream.peer_cred())) else {
        return false;
    };
    let user = rustix::process::geteuid().as_raw();
    // A process that cannot be seen from here has no number here.
    (peer.uid() == 0 || peer.uid() == user) && peer.pid().is_some_and(|pid| pid != 0)
}

/// Makes the hook in the first directory where that works.
async fn hook(context: &Context) -> std::io::Result<Hook> {
    let before = hook_before().await;
    let fh = std::env::current_exe()?;
    let mut error = std::io::Error::other("there is no place for it");
    for base in context.settings.runtime_directories() {
        match Hook::new(&base, &fh, before.as_deref()) {
            Ok(hook) => return Ok(hook),
            Err(failed) => error = failed,
        }
    }
    Err(error)
}

/// The hook that is set already, which has to go on working.
async fn hook_before() -> Option<String> {
    for words in [["config", "show"].as_slice(), &["show-config"]] {
        let output = tokio::process::Command::new("nix")
            .args(["--extra-experimental-features", "nix-command"])
            .args(words)
            .arg("--json")
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output();
        let Ok(Ok(output)) = tokio::time::timeout(PATIENCE, output).await else {
            continue;
        };
        let settings: Option<serde_json::Value> = serde_json::from_slice(&output.stdout).ok();
        let Some(settings) = settings.filter(|_| output.status.success()) else {
            continue;
        };
        let hook = settings["post-build-hook"]["value"].as_str();
        return hook.filter(|hook| !hook.is_empty()).map(str::to_owned);
    }
    None
}

/// What goes on beside the command.
struct Work {
    watching: JoinHandle<()>,
    pushing: JoinHandle<()>,
}

impl Work {
    /// Ends what has not ended yet; afterwards the hook is gone.
    async fn call_off(self) {
        self.pushing.abort();
        self.watching.abort();
        let _ = tokio::time::timeout(SHUTDOWN, self.watching).await;
    }
}

/// One run of the command, with its pushes.
struct Session<'a> {
    arguments: &'a PushArguments,
    context: &'a Context,
    signals: Signals,
    outcome: Arc<Mutex<Outcome>>,
    begun: Instant,
}

impl Session<'_> {
    async fn run(
        mut self,
        watch: Watch,
        pusher: Pusher,
        opened: Option<Opened>,
    ) -> Result<ExitCode, CommandError> {
        let before = self.context.settings.nix_config();
        let nix_config = watch.hook.as_ref().map(|hook| hook.nix_config(before));
        let mut running = match child::start(&self.arguments.paths, nix_config) {
            Ok(running) => running,
            Err(error) => return Ok(self.cannot_start(error)),
        };
        let (sender, built) = unbounded_channel();
        let (end, ended) = oneshot::channel();
        let mut work = Work {
            watching: tokio::spawn(watch.run(sender, ended, Arc::clone(&self.outcome))),
            pushing: tokio::spawn(pusher.run(built, opened)),
        };
        let (status, given_up) = self.attend(&mut running, &work).await?;
        // It is gone only where it was called off.
        let _ = end.send(());
        let ended = if given_up {
            Ended::GivenUp
        } else {
            self.drain(&mut work, status).await
        };
        work.call_off().await;
        self.conclude(status, ended)
    }

    fn cannot_start(&self, error: std::io::Error) -> ExitCode {
        let code = child::code_of_failed_start(&error);
        let program = Path::new(self.arguments.paths.first().map_or(OsStr::new(""), |c| c));
        CommandError::file("run", program, error).report(self.context.settings.terminals.color);
        ExitCode::from(code)
    }

    /// Stays with the command until it ends, and passes signals on. Tells how it ended, and whether
    /// somebody has lost patience with the push meanwhile.
    async fn attend(
        &mut self,
        running: &mut Child,
        work: &Work,
    ) -> Result<(ExitStatus, bool), CommandError> {
        let mut ends = 0;
        loop {
            let signal: Received = tokio::select! {
                status = running.wait() => {
                    let status = status.map_err(|error| {
                        CommandError::new(Status::Failed, error)
                            .context("cannot find out how the command ended")
                    })?;
                    if ends == 0 && child::was_interrupted(status) {
                        // The same Ctrl-C is about to reach us: it must not count as the second.
                        let _ = tokio::time::timeout(SAME_INTERRUPT, self.signals.next()).await;
                    }
                    return Ok((status, ends > 1));
                }
                signal = self.signals.next() => signal,
            };
            signal.pass_on(running);
            if signal.is_end() {
                ends += 1;
            }
            if ends > 1 {
                work.pushing.abort();
            }
        }
    }

    /// Waits for what is still to be pushed: not longer than allowed, and not after another Ctrl-C.
    async fn drain(&mut self, work: &mut Work, status: ExitStatus) -> Ended {
        let limit = self.arguments.drain_timeout.0;
        let over = async {
            match limit {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        // Most of the time all is there already; only a wait is worth a line.
        let patience = sleep(Duration::from_secs(2));
        tokio::pin!(patience);
        let mut told = false;
        loop {
            tokio::select! {
                biased;
                // It ends after the watching, which has the other end of the channel.
                _ = &mut work.pushing => return Ended::Done,
                () = &mut over => return Ended::OutOfTime,
                signal = self.signals.next() => {
                    if signal.is_end() {
                        return Ended::GivenUp;
                    }
                }
                () = &mut patience, if !told => {
                    told = true;
                    let how = if status.success() { "is done" } else { "has ended" };
                    let left = pusher::lock(&self.outcome).missing.len();
                    self.context.output.remark(&format!(
                        "The command {how}; pushing what it built ({} left). Ctrl-C gives up.",
                        human::count(left as u64, "path")
                    ));
                }
            }
        }
    }

    /// Says what became of the push, and ends as the command did.
    fn conclude(&self, status: ExitStatus, ended: Ended) -> Result<ExitCode, CommandError> {
        let outcome = pusher::lock(&self.outcome).clone();
        let target = &self.arguments.target;
        let code = child::code_of(status);
        let failed = outcome.missing.len() + outcome.unknown.len();
        let built = outcome.pushed.len() + failed;
        if failed == 0 && outcome.failure.is_none() && ended == Ended::Done {
            if self.context.output.is_json() {
                self.print_json(&outcome, None, code);
                return Ok(ExitCode::from(code));
            }
            let text = if built == 0 {
                format!("Nothing was built, so nothing was pushed to {target}.")
            } else {
                let sent = match outcome.sent {
                    0 => "everything was there already".to_owned(),
                    sent => format!("{sent} sent ({})", human::bytes(outcome.sent_bytes)),
                };
                let built = human::count(built as u64, "path");
                format!("Pushed to {target}: {built} built; {sent}.")
            };
            self.context.output.remark(&text);
            return Ok(ExitCode::from(code));
        }
        let reason = match ended {
            Ended::OutOfTime => format!(
                "the time limit after the command's end was reached (--drain-timeout {})",
                human::elapsed(self.arguments.drain_timeout.0.unwrap_or_default())
            ),
            Ended::GivenUp => "it was cancelled".to_owned(),
            Ended::Done => outcome.failure.clone().unwrap_or_else(|| {
                "Nix does not report what some derivations have produced".to_owned()
            }),
        };
        if self.context.output.is_json() {
            self.print_json(&outcome, Some(&reason), code);
        }
        let mut text = format!(
            "{} could not be pushed to {target}, of {built} built: {reason}",
            human::count(failed as u64, "path")
        );
        for path in &outcome.missing {
            text.push_str(&format!("\n{path}"));
        }
        for (path, why) in &outcome.unknown {
            text.push_str(&format!("\n{path}: {why}"));
        }
        let hint = format!("`fh push {target} PATH…` pushes them later.");
        if self.arguments.fail_on_push_error && status.success() {
            return Err(CommandError::failed(text).hint(hint));
        }
        self.context.output.warning(&format!("{text}\n{hint}"));
        Ok(ExitCode::from(code))
    }

    /// The object of `--json`. That it cannot be printed does not change how the command ended.
    fn print_json(&self, outcome: &Outcome, error: Option<&str>, code: u8) {
        let duration = self.begun.elapsed();
        let summary = Summary::new(&self.arguments.target, outcome, error, code, duration);
        if let Err(error) = self.context.output.json(&summary) {
            error.report(self.context.settings.terminals.color);
        }
    }
}

/// How the pushing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Done,
    OutOfTime,
    GivenUp,
}
