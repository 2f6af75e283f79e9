//! How a push is going: a bar on a terminal, else a line now and then.
//!
//! Invariant: all of it goes to stderr; stdout is for the result.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fh_client::push::PlanTotals;
use fh_client::targets::PushTarget;
use fh_client::{PushEvent, PushObserver, RetryEvent};
use indicatif::ProgressBar;

use super::bar;
use crate::context::Context;
use crate::output::{human, printable};

/// How often a line is printed where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(10);

/// How often it is told that a request is tried again: several at once say the same, and are
/// counted.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Hears of the push, and shows it.
pub(super) struct Progress {
    target: String,
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
    /// What is waited for before anything is sent, and since when.
    waiting: Option<(String, Instant)>,
    /// Uncompressed bytes sent.
    sent: u64,
    paths: u64,
    /// What the last line told of `sent`, and when that had changed.
    told: Option<(u64, Instant)>,
    last_retry: Option<Instant>,
    /// Retries since then.
    untold_retries: u64,
    /// All retries.
    retries: u64,
    /// Threads that are still at work must not bring the bar back.
    finished: bool,
}

impl Progress {
    pub(super) fn new(target: &PushTarget, dry_run: bool, context: &Context) -> Self {
        let bar = context.settings.terminals.moving.then(bar::new);
        Self {
            target: target.to_string(),
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
        self.state().waiting = Some((what.to_owned(), Instant::now()));
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
        }
    }

    /// Runs a future, and tells now and then how it goes, also where nothing happens.
    pub(super) async fn shown_during<T>(&self, future: impl Future<Output = T>) -> T {
        tokio::pin!(future);
        loop {
            tokio::select! {
                biased;
                output = &mut future => return output,
                () = tokio::time::sleep(INTERVAL) => self.tick(),
            }
        }
    }

    fn tick(&self) {
        let mut state = self.state();
        match (state.line(Instant::now()), &self.bar) {
            (Some(line), Some(bar)) => bar.set_message(line),
            (Some(line), None) => self.line(&line),
            (None, _) => {}
        }
    }

    /// How often a request was tried again.
    pub(super) fn retries(&self) -> u64 {
        self.state().retries
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

    /// Something that people ought to know.
    pub(super) fn line(&self, text: &str) {
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
        // A second plan: what was to be linked is there no longer.
        let more = state.began.map(|_| {
            let before = state.totals;
            (
                totals.upload - before.upload.min(totals.upload),
                totals.upload_bytes - before.upload_bytes.min(totals.upload_bytes),
            )
        });
        state.totals = *totals;
        if let Some((paths, bytes)) = more {
            if paths > 0 {
                self.line(&format!(
                    "Paths that the server was to link are no longer there: {} more to send ({})",
                    human::count(paths, "path"),
                    human::bytes(bytes)
                ));
            }
            if let Some(bar) = &self.bar {
                bar::begin(bar, totals.upload_bytes);
            }
            return;
        }
        let now = Instant::now();
        state.began = Some(now);
        state.waiting = None;
        state.told = Some((0, now));
        if totals.upload == 0 || self.dry_run {
            return;
        }
        let mut text = format!(
            "Pushing {} to {}: {} to send ({})",
            human::count(totals.paths, "path"),
            self.target,
            totals.upload,
            human::bytes(totals.upload_bytes),
        );
        if totals.resumed_bytes > 0 || totals.received > 0 {
            text.push_str(&format!(
                " ({} and {} of others were sent before and are there already)",
                human::count(totals.received, "path"),
                human::bytes(totals.resumed_bytes)
            ));
        }
        self.line(&text);
        if let Some(bar) = &self.bar {
            bar::begin(bar, totals.upload_bytes);
            bar.set_message(state.so_far(now));
        }
    }

    fn moved(&self, state: &State) {
        if let Some(bar) = &self.bar {
            bar.set_position(state.sent);
            bar.set_message(state.so_far(Instant::now()));
        }
    }

    fn retrying(&self, state: &mut State, event: &RetryEvent<'_>) {
        state.retries += 1;
        let told = state.last_retry.map(|at| at.elapsed());
        if told.is_some_and(|ago| ago < RETRY_INTERVAL) {
            state.untold_retries += 1;
            return;
        }
        let mut line = human::trying_again(event);
        if state.untold_retries > 0 {
            let requests = human::count(state.untold_retries, "other request");
            line.push_str(&format!(" ({requests} since the last such message)"));
        }
        state.last_retry = Some(Instant::now());
        state.untold_retries = 0;
        self.line(&line);
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
                self.moved(&state);
            }
            PushEvent::PathFinished { .. } => {
                state.paths += 1;
                self.moved(&state);
            }
            PushEvent::Retrying { error, wait, asked } => {
                let (wait, asked) = (*wait, *asked);
                self.retrying(&mut state, &RetryEvent { error, wait, asked });
            }
            // Failed paths are named in the end, and the rest is told by what is sent.
            _ => {}
        }
    }
}

impl State {
    /// What is to be told now and then. None where nothing is under way.
    fn line(&mut self, now: Instant) -> Option<String> {
        if let Some((what, since)) = &self.waiting {
            let time = human::elapsed(now.duration_since(*since));
            return Some(format!("Still {what} ({time})"));
        }
        self.began.filter(|_| self.totals.upload_bytes > 0)?;
        let told = self.told.filter(|&(sent, _)| sent == self.sent);
        let moved = told.map_or(now, |(_, at)| at);
        self.told = Some((self.sent, moved));
        if moved == now {
            return Some(self.so_far(now));
        }
        let time = human::elapsed(now.duration_since(moved));
        let what = if self.sent < self.totals.upload_bytes {
            "nothing was sent"
        } else {
            "waiting for the server"
        };
        Some(format!("{}, {what} for {time}", self.position()))
    }

    /// How far the push is, how fast it goes and how long it will take.
    fn so_far(&self, now: Instant) -> String {
        let mut text = self.position();
        let elapsed = self
            .began
            .map_or(Duration::ZERO, |at| now.duration_since(at));
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let rate = self.sent.saturating_mul(1000).checked_div(milliseconds);
        if let Some(rate) = rate.filter(|&rate| rate > 0) {
            let left = self.totals.upload_bytes.saturating_sub(self.sent);
            text.push_str(&format!(
                ", {}/s, {} left",
                human::bytes(rate),
                human::elapsed(Duration::from_secs(left / rate))
            ));
        }
        text
    }

    fn position(&self) -> String {
        let total = self.totals.upload_bytes;
        let percent = self.sent.saturating_mul(100).checked_div(total);
        format!(
            "{} of {} ({} %), {} of {}",
            human::bytes(self.sent),
            human::bytes(total),
            percent.unwrap_or(100),
            self.paths,
            human::count(self.totals.upload, "path"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_how_fast_and_how_long() {
        let now = Instant::now();
        let mut state = State {
            totals: PlanTotals {
                upload: 40,
                upload_bytes: 400 << 20,
                ..PlanTotals::default()
            },
            began: now.checked_sub(Duration::from_secs(10)),
            sent: 100 << 20,
            paths: 7,
            ..State::default()
        };
        let later = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(
            state.line(now).unwrap(),
            "100 MiB of 400 MiB (25 %), 7 of 40 paths, 10.0 MiB/s, 30 s left"
        );
        assert_eq!(
            state.line(later(20)).unwrap(),
            "100 MiB of 400 MiB (25 %), 7 of 40 paths, nothing was sent for 20 s"
        );
        state.sent = 400 << 20;
        assert_eq!(
            state.line(later(30)).unwrap(),
            "400 MiB of 400 MiB (100 %), 7 of 40 paths, 10.0 MiB/s, 0.0 s left"
        );
        assert_eq!(
            state.line(later(40)).unwrap(),
            "400 MiB of 400 MiB (100 %), 7 of 40 paths, waiting for the server for 10 s"
        );
        state.waiting = Some(("asking Nix for the closure".to_owned(), now));
        assert_eq!(
            state.line(later(61)).unwrap(),
            "Still asking Nix for the closure (1 min 1 s)"
        );
    }
}
