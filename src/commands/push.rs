//! `fh push`: the closure of what was built, into a flake or a cache.

mod arguments;
mod bar;
mod destination;
mod progress;
mod rate;
mod report;
mod tools;
mod watch;

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fh_client::NixTools;
use fh_client::closure::BuildMessages;
use fh_client::push::PushObserver;
use fh_nix::StoreDir;

pub(crate) use arguments::PushArguments;
use destination::{Destination, Manner};
use progress::Progress;
use tools::silent_tools;
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
    let (destination, soon) = Destination::resolve(arguments, context)?;
    let manner = Manner::new(arguments, context);
    let Manner { push: options, .. } = &manner;
    let deadline = options.deadline;
    let tools = silent_tools(arguments, context)?;
    let named = named(arguments, &tools.store_dir)?;
    let has_to_build = tools.has_to_build(&named)?;
    let progress = Arc::new(Progress::new(&arguments.target, options.dry_run, context));
    let tools = telling(tools, &progress, context);

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
        progress.asking_nix();
        let closure = async {
            let closure = deadline.hold(async {
                if has_to_build {
                    progress.building();
                }
                let paths = tools.resolve(&named).await?;
                progress.asking_nix();
                tools.closure_of(&paths, !arguments.no_closure).await
            });
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
        let both = async {
            if !has_to_build {
                return tokio::try_join!(closure, opened);
            }
            // What has to be built first can take long: a push that is refused is told before.
            let opened = opened.await?;
            let allowed = tokio::select! {
                biased;
                allowed = opened.check(&observer) => allowed,
                error = deadline.passed() => Err(error),
            };
            allowed.map_err(|error| opened.explain(error, &arguments.target))?;
            Ok((closure.await?, opened))
        };
        let (closure, opened) = progress.shown_during(both).await?;
        started.store(!options.dry_run, Ordering::Relaxed);
        progress.planning(closure.paths.len());
        let push = opened.push(&closure, &manner, &tools, progress.clone());
        let report = progress.shown_during(push).await;
        let report = report.map_err(|error| opened.explain(error, &arguments.target))?;
        Ok((report, closure.store_dir, opened.is_atomic()))
    });
    progress.finish();
    let (report, store_dir, atomic) = result?;
    let code = report::print(
        &arguments.target,
        atomic,
        report,
        progress.retries(),
        &store_dir,
        context,
    )?;
    if let Some(soon) = soon {
        soon.warn(context);
    }
    Ok(code)
}

/// What to push: the arguments, then what stdin names, else `./result`.
fn named(arguments: &PushArguments, store_dir: &StoreDir) -> Result<Vec<OsString>, CommandError> {
    let paths = arguments.paths.iter();
    let mut named: Vec<OsString> = paths
        .flat_map(|path| {
            let words = lines_or_words(path.as_bytes(), store_dir);
            // An empty variable is no reason to push something else.
            if words.is_empty() {
                vec![path.clone()]
            } else {
                words
            }
        })
        .collect();
    if arguments.stdin {
        for line in io::stdin().lock().split(b'\n') {
            let line = line.map_err(|error| {
                CommandError::file("read paths from", Path::new("stdin"), error)
            })?;
            named.extend(lines_or_words(&line, store_dir));
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

/// What a line names: store paths, where every word of it is one, as in Nix's `$OUT_PATHS`; else one thing, whose
/// name may have blanks. Those around it do not count.
fn lines_or_words(line: &[u8], store_dir: &StoreDir) -> Vec<OsString> {
    let line = line.trim_ascii();
    let is_in_store = |word: &&[u8]| {
        let below = word.strip_prefix(store_dir.as_str().as_bytes());
        below.is_some_and(|below| below.starts_with(b"/"))
    };
    let words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let named: Vec<&[u8]> = if words.clone().all(|word| is_in_store(&word)) {
        words.collect()
    } else {
        vec![line]
    };
    named
        .into_iter()
        .map(|name| OsStr::from_bytes(name).to_owned())
        .collect()
}

/// The same Nix; what it says while it builds is shown: by itself on a terminal, else line by line.
fn telling(tools: NixTools, progress: &Arc<Progress>, context: &Context) -> NixTools {
    let messages = if context.settings.nix_shows_itself() {
        BuildMessages::Inherited
    } else {
        let told = progress.clone();
        BuildMessages::Told(Arc::new(move |line: &str| told.line(line)))
    };
    NixTools { messages, ..tools }
}
