//! `fh push`: the closure of what was built, into a flake or a cache.

mod arguments;
mod bar;
mod destination;
mod progress;
mod report;
mod watch;

use std::ffi::OsString;
use std::io::{self, BufRead as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fh_client::NixTools;
use fh_client::closure::NixMessages;
use fh_client::push::PushObserver;
use fh_nix::StoreDir;

pub(crate) use arguments::PushArguments;
use destination::{Destination, Manner};
use progress::Progress;
pub(crate) use watch::{RELAY, relay};

use crate::context::Context;
use crate::error::CommandError;
use crate::interrupt::{self, Threads};

/// What is pushed where nothing is named: what `nix build` leaves.
const RESULT: &str = "./result";

pub(crate) fn run(arguments: &PushArguments, context: &Context) -> Result<ExitCode, CommandError> {
    if arguments.watch_exec {
        return watch::run(arguments, context);
    }
    let destination = Destination::resolve(arguments, context)?;
    let manner = Manner::new(arguments, context);
    let Manner { push: options, .. } = &manner;
    let deadline = options.deadline;
    let named = named(arguments)?;
    let progress = Arc::new(Progress::new(&arguments.target, options.dry_run, context));
    let tools = tools(arguments, &progress, context)?;

    let observer: Arc<dyn PushObserver> = progress.clone();
    let started = AtomicBool::new(false);
    let hint = || {
        // At once: the threads go on for a moment, and the bar must not come back.
        progress.finish();
        if started.load(Ordering::Relaxed) {
            "What was sent is kept on the server for a while: run the same command again, and the push \
             continues from there."
        } else {
            "Nothing was sent."
        }
    };
    let result = interrupt::run(Threads::AllCores, hint, async {
        progress.looking();
        let closure = async {
            let closure = deadline.hold(tools.closure(&named, !arguments.no_closure));
            closure.await.map_err(|error| {
                let out_of_time = matches!(error, fh_client::Error::OutOfTime { .. });
                let error = CommandError::from(error);
                if out_of_time {
                    error.context("cannot find out from Nix what to push")
                } else {
                    error
                }
            })
        };
        let opened = async {
            tokio::select! {
                biased;
                opened = destination.open(&observer, |text| progress.line(text)) => opened,
                error = deadline.passed() => Err(error.into()),
            }
        };
        let both = async { tokio::try_join!(closure, opened) };
        let (closure, opened) = progress.shown_during(both).await?;
        started.store(!options.dry_run, Ordering::Relaxed);
        progress.planning(closure.paths.len());
        let push = opened.push(&closure, &manner, tools.store.as_deref(), progress.clone());
        let report = progress.shown_during(push).await;
        let report = report.map_err(|error| opened.explain(error, &arguments.target))?;
        Ok((report, closure.store_dir, opened.is_atomic()))
    });
    progress.finish();
    let (report, store_dir, atomic) = result?;
    report::print(
        &arguments.target,
        atomic,
        report,
        progress.retries(),
        &store_dir,
        context,
    )
}

/// What to push: the arguments, then the lines of stdin, else `./result`.
fn named(arguments: &PushArguments) -> Result<Vec<OsString>, CommandError> {
    let mut named = arguments.paths.clone();
    if arguments.stdin {
        for line in io::stdin().lock().split(b'\n') {
            let mut line = line.map_err(|error| {
                CommandError::file("read paths from", Path::new("stdin"), error)
            })?;
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if !line.is_empty() {
                named.push(OsString::from_vec(line));
            }
        }
        // A build that made nothing is no reason to push something else.
        if named.is_empty() {
            return Err(CommandError::failed("stdin named nothing to push"));
        }
    }
    if named.is_empty() {
        if Path::new(RESULT).symlink_metadata().is_err() {
            return Err(CommandError::failed("there is no ./result here to push")
                .hint("Build something first (`nix build`), or name what to push: a store path, a link into the store, or an installable such as .#app"));
        }
        named.push(RESULT.into());
    }
    Ok(named)
}

/// The Nix that is asked, and about which store; what it says while it builds is shown.
fn tools(
    arguments: &PushArguments,
    progress: &Arc<Progress>,
    context: &Context,
) -> Result<NixTools, CommandError> {
    let said = progress.clone();
    let messages: NixMessages = Arc::new(move |line: &str| said.nix(line));
    Ok(NixTools {
        messages: Some(messages),
        ..silent_tools(arguments, context)?
    })
}

/// The Nix that is asked, and about which store.
fn silent_tools(arguments: &PushArguments, context: &Context) -> Result<NixTools, CommandError> {
    let mut tools = NixTools {
        store: arguments.store.clone().or(context.settings.nix_remote()?),
        ..NixTools::default()
    };
    if let Some(directory) = context.settings.nix_store_dir()? {
        tools.store_dir = StoreDir::new(&directory).map_err(|error| {
            CommandError::new(crate::error::Status::Usage, error)
                .context("NIX_STORE_DIR is not a store directory")
        })?;
    }
    Ok(tools)
}
