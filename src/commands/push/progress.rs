//! How a push is going: a bar on a terminal, else a line now and then.
//!
//! Invariant: all of it goes to stderr; stdout is for the result.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fh_api::FlakeName;
use fh_client::push::PlanTotals;
use fh_client::{PushEvent, PushObserver};
use indicatif::{ProgressBar, ProgressStyle};

use crate::context::Context;
use crate::output::{human, printable};

/// How often a line is printed where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(10);

/// How often it is told that a request is tried again: several at once say the same.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

const BAR: &str = "{bytes} of {total_bytes} [{bar:24}] {binary_bytes_per_sec}, {eta} left, {msg}";

/// Hears of the push, and shows it.
pub(super) struct Progress {
    flake: String,
    dry_run: bool,
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

/// What has happened so far.
#[derive(Default)]
struct State {
    totals: PlanTotals,
    /// When the uploads began.
    began: Option<Instant>,
    /// Uncompressed bytes sent.
    sent: u64,
    paths: u64,
    last_line: Option<Instant>,
    last_retry: Option<Instant>,
    /// Threads that are still at work must not bring the bar back.
    finished: bool,
}

impl Progress {
    pub(super) fn new(flake: &FlakeName, dry_run: bool, context: &Context) -> Self {
        let bar = context
            .settings
            .terminals
            .stderr
            .then(|| ProgressBar::new_spinner().with_style(spinner()));
        Self {
            flake: flake.to_string(),
            dry_run,
            bar,
            state: Mutex::default(),
        }
    }

    /// Nix is asked, or builds.
    pub(super) fn looking(&self) {
        self.wait_for("asking Nix for the closure");
    }

    /// The server is asked.
    pub(super) fn planning(&self, paths: usize) {
        let paths = human::count(paths as u64, "path");
        self.wait_for(&format!("asking the server which of {paths} it has"));
    }

    fn wait_for(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
        }
    }

    /// A line of a nix that builds.
    pub(super) fn nix(&self, line: &str) {
        self.line(line);
    }

    /// The bar goes; what follows is printed below.
    pub(super) fn finish(&self) {
        self.state().finished = true;
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, text: &str) {
        let text = printable(text);
        let print = || {
            // Nobody can be told where stderr is gone.
            let _ =
                std::io::Write::write_all(&mut std::io::stderr(), format!("{text}\n").as_bytes());
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn planned(&self, state: &mut State, totals: &PlanTotals) {
        state.totals = *totals;
        let now = Instant::now();
        state.began = Some(now);
        state.last_line = Some(now);
        if totals.upload == 0 || self.dry_run {
            return;
        }
        let mut text = format!(
            "Pushing {} to {}: {} to send ({})",
            human::count(totals.paths, "path"),
            self.flake,
            totals.upload,
            human::bytes(totals.upload_bytes),
        );
        if totals.resumed_bytes > 0 || totals.received > 0 {
            text.push_str(&format!(
                " (going on with a push that was interrupted: {} and {} are there already)",
                human::count(totals.received, "path"),
                human::bytes(totals.resumed_bytes)
            ));
        }
        self.line(&text);
        if let Some(bar) = &self.bar {
            bar.set_style(bar_style());
            bar.set_length(totals.upload_bytes);
            bar.set_position(0);
            bar.reset_eta();
            bar.set_message(paths_done(state));
        }
    }

    fn moved(&self, state: &mut State) {
        if let Some(bar) = &self.bar {
            bar.set_position(state.sent);
            bar.set_message(paths_done(state));
            return;
        }
        if state.last_line.is_some_and(|at| at.elapsed() >= INTERVAL) {
            state.last_line = Some(Instant::now());
            self.line(&state.line());
        }
    }

    fn retrying(&self, state: &mut State, error: &fh_client::Error, wait: Duration) {
        if state
            .last_retry
            .is_some_and(|at| at.elapsed() < RETRY_INTERVAL)
        {
            return;
        }
        state.last_retry = Some(Instant::now());
        self.line(&format!(
            "Trying again in {}: {error}",
            human::elapsed(wait)
        ));
    }
}

impl PushObserver for Progress {
    fn event(&self, event: &PushEvent<'_>) {
        let mut state = self.state();
        if state.finished {
            return;
        }
        match event {
            PushEvent::Planned(totals) => self.planned(&mut state, totals),
            PushEvent::Sent { nar_bytes, .. } => {
                state.sent += nar_bytes;
                self.moved(&mut state);
            }
            PushEvent::PathFinished { .. } => {
                state.paths += 1;
                self.moved(&mut state);
            }
            PushEvent::Retrying { error, wait } => self.retrying(&mut state, error, *wait),
            // Failed paths are named in the end, and the rest is told by what is sent.
            _ => {}
        }
    }
}

impl State {
    /// What stands for a bar where there is none.
    fn line(&self) -> String {
        let total = self.totals.upload_bytes;
        let elapsed = self.began.map(|at| at.elapsed()).unwrap_or_default();
        let mut line = format!(
            "{} of {} ({} %), {}",
            human::bytes(self.sent),
            human::bytes(total),
            self.sent
                .saturating_mul(100)
                .checked_div(total)
                .unwrap_or(100),
            paths_done(self),
        );
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let rate = self.sent.saturating_mul(1000).checked_div(milliseconds);
        if let Some(rate) = rate.filter(|&rate| rate > 0) {
            let left = Duration::from_secs(total.saturating_sub(self.sent) / rate);
            line.push_str(&format!(
                ", {}/s, {} left",
                human::bytes(rate),
                human::elapsed(left)
            ));
        }
        line
    }
}

fn paths_done(state: &State) -> String {
    format!(
        "{} of {}",
        state.paths,
        human::count(state.totals.upload, "path")
    )
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template(BAR)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_understood() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
        assert!(ProgressStyle::with_template("{spinner} {msg}").is_ok());
    }

    #[test]
    fn a_line_tells_how_far_how_fast_and_how_long() {
        let state = State {
            totals: PlanTotals {
                upload: 40,
                upload_bytes: 400 << 20,
                ..PlanTotals::default()
            },
            began: Instant::now().checked_sub(Duration::from_secs(10)),
            sent: 100 << 20,
            paths: 7,
            ..State::default()
        };
        assert_eq!(
            state.line(),
            "100 MiB of 400 MiB (25 %), 7 of 40 paths, 10.0 MiB/s, 30 s left"
        );
    }
}
