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
use super::rate::Rate;
use crate::context::Context;
use crate::output::human;
use crate::text::printable;

/// How often it is looked how far things are.
const TICK: Duration = Duration::from_secs(1);

/// How often a line is printed where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(10);

/// When the first such line is printed of a push of [`LARGE`].
const EARLY: Duration = Duration::from_secs(3);

/// So many bytes take their time.
const LARGE: u64 = 32 << 20;

/// When nothing has been sent for so long, that is what is told.
const STALLED: Duration = Duration::from_secs(5);

/// How often the text beside the bar changes.
const CHANGE: Duration = Duration::from_millis(100);

/// How often it is told that a request is tried again: several at once say the same, and are
/// counted.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Hears of the push, and shows it.
pub(super) struct Progress {
    target: String,
    dry_run: bool,
    quiet: bool,
    bar: Option<ProgressBar>,
    /// Nix has the terminal while it builds.
    nix_has_terminal: bool,
    state: Mutex<State>,
}

/// What has happened so far.
#[derive(Default)]
struct State {
    totals: PlanTotals,
    /// When the uploads began.
    began: Option<Instant>,
    /// How fast they go.
    rate: Option<Rate>,
    /// When something was sent last.
    moved: Option<Instant>,
    /// When something was read or compressed last.
    worked: Option<Instant>,
    /// What is waited for before anything is sent, and since when.
    waiting: Option<(String, Instant)>,
    /// Bytes of NARs sent, as they are before compression.
    sent: u64,
    paths: u64,
    /// When the last line was printed, or the text beside the bar was changed.
    told: Option<Instant>,
    last_retry: Option<Instant>,
    /// Retries since the last line that told of them.
    untold_retries: u64,
    /// Retries of the whole push.
    retries: u64,
    /// Threads that are still at work must not bring the bar back.
    finished: bool,
}

impl Progress {
    pub(super) fn new(target: &PushTarget, dry_run: bool, context: &Context) -> Self {
        let quiet = context.settings.quiet;
        let bar = (context.settings.terminals.moving && !quiet).then(bar::new);
        Self {
            target: target.to_string(),
            dry_run,
            quiet,
            bar,
            nix_has_terminal: context.settings.nix_shows_itself(),
            state: Mutex::default(),
        }
    }

    /// Nix builds. Where it has the terminal, it tells how far it is, and the bar stays away.
    pub(super) fn building(&self) {
        if !self.nix_has_terminal {
            self.wait_for("waiting for Nix to build");
            return;
        }
        self.state().waiting = None;
        if let Some(bar) = &self.bar {
            bar::pause(bar);
        }
    }

    /// Nix is asked for the closure.
    pub(super) fn asking_nix(&self) {
        if let Some(bar) = self.bar.as_ref().filter(|bar| bar.is_finished()) {
            bar::resume(bar);
        }
        self.wait_for("asking Nix for the closure");
    }

    /// The server is asked.
    pub(super) fn planning(&self, paths: usize) {
        let paths = human::count(paths as u64, "path");
        self.wait_for(&format!("asking the server which of {paths} it has"));
    }

    fn wait_for(&self, what: &str) {
        let now = Instant::now();
        let mut state = self.state();
        state.waiting = Some((what.to_owned(), now));
        state.told = Some(now);
        drop(state);
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
                () = tokio::time::sleep(TICK) => self.tick(Instant::now()),
            }
        }
    }

    fn tick(&self, now: Instant) {
        let mut state = self.state();
        if state.finished {
            return;
        }
        if let Some(bar) = &self.bar {
            if let Some(text) = state.beside_the_bar(now, bar::room()) {
                bar.set_message(text);
            }
        } else if let Some(line) = state.line(now) {
            self.line(&line);
        }
    }

    /// How often a request was tried again.
    pub(super) fn retries(&self) -> u64 {
        self.state().retries
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
        if self.quiet {
            return;
        }
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
        state.begin(now);
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
            bar.set_message(state.so_far(now, Some(bar::room())));
        }
    }

    fn moved(&self, state: &mut State, now: Instant) {
        let Some(bar) = &self.bar else {
            return;
        };
        bar.set_position(state.sent);
        let is_due = |told| now.saturating_duration_since(told) >= CHANGE;
        if state.told.is_none_or(is_due) {
            state.told = Some(now);
            bar.set_message(state.so_far(now, Some(bar::room())));
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
                let now = Instant::now();
                state.send(*nar_bytes, now);
                self.moved(&mut state, now);
            }
            PushEvent::PathFinished { .. } => {
                state.paths += 1;
                self.moved(&mut state, Instant::now());
            }
            PushEvent::Read { .. } | PushEvent::Compressed { .. } => {
                state.worked = Some(Instant::now());
            }
            PushEvent::Retrying(event) => self.retrying(&mut state, event),
            // Failed paths are named in the end, and the rest is told by what is sent.
            _ => {}
        }
    }
}

impl State {
    /// Notes that the uploads begin.
    fn begin(&mut self, now: Instant) {
        self.began = Some(now);
        self.rate = Some(Rate::new(now));
        self.moved = Some(now);
        self.waiting = None;
        self.told = Some(now);
    }

    /// So many bytes were sent.
    fn send(&mut self, bytes: u64, now: Instant) {
        self.sent += bytes;
        self.moved = Some(now);
        if let Some(rate) = &mut self.rate {
            rate.add(bytes, now);
        }
    }

    /// The line that is due without a terminal. None where none is, or where nothing is under way.
    fn line(&mut self, now: Instant) -> Option<String> {
        let since = |then: Instant| now.saturating_duration_since(then);
        let is_first = self.told.is_none() || self.told == self.began;
        let is_large = self.totals.upload_bytes >= LARGE;
        let interval = if self.waiting.is_none() && is_first && is_large {
            EARLY
        } else {
            INTERVAL
        };
        if self.told.is_some_and(|told| since(told) < interval) {
            return None;
        }
        let line = self.under_way(now, None)?;
        self.told = Some(now);
        Some(line)
    }

    /// What stands beside the bar, in so many columns. None where that stays.
    fn beside_the_bar(&mut self, now: Instant, room: usize) -> Option<String> {
        let is_waiting = self.waiting.as_ref();
        let is_short =
            |(_, since): &(String, Instant)| now.saturating_duration_since(*since) < INTERVAL;
        if is_waiting.is_some_and(is_short) {
            return None;
        }
        self.told = Some(now);
        self.under_way(now, Some(room))
    }

    /// What is waited for, or how far the push is. None where nothing is under way.
    fn under_way(&self, now: Instant, room: Option<usize>) -> Option<String> {
        if let Some((what, since)) = &self.waiting {
            let time = human::elapsed(now.saturating_duration_since(*since));
            return Some(format!("Still {what} ({time})"));
        }
        self.began.filter(|_| self.totals.upload_bytes > 0)?;
        Some(self.so_far(now, room))
    }

    /// How far the push is, how fast it goes and how long it will take: as much of that as fits into the columns that
    /// there are, the most important in any case.
    fn so_far(&self, now: Instant, room: Option<usize>) -> String {
        let total = self.totals.upload_bytes;
        let percent = self.sent.saturating_mul(100).checked_div(total);
        let percent = format!("{} %", percent.unwrap_or(100));
        let bytes = format!(
            "{} of {} ({percent})",
            human::bytes(self.sent),
            human::bytes(total)
        );
        let paths = format!(
            "{} of {}",
            self.paths,
            human::count(self.totals.upload, "path")
        );
        let (pace, left) = self.pace(now);
        let both: Vec<&str> = [&pace, &left]
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(String::as_str)
            .collect();
        let with = |parts: &[&str]| [parts, both.as_slice()].concat().join(", ");
        let texts = [
            with(&[&bytes, &paths]),
            with(&[&bytes]),
            with(&[&percent]),
            [percent.as_str(), both.last().copied().unwrap_or_default()].join(", "),
        ];
        let fits = |text: &String| room.is_none_or(|room| text.chars().count() <= room);
        texts.into_iter().find(fits).unwrap_or(percent)
    }

    /// How fast it goes, and how much longer it takes; or what is waited for, and nothing.
    fn pace(&self, now: Instant) -> (String, String) {
        let stalled = self
            .moved
            .map(|moved| now.saturating_duration_since(moved))
            .filter(|time| *time >= STALLED);
        if let Some(time) = stalled {
            let is_at_work = self
                .worked
                .is_some_and(|at| now.saturating_duration_since(at) < STALLED);
            // What is read and compressed meanwhile is no reason to suspect the server.
            let what = if is_at_work && self.sent < self.totals.upload_bytes {
                "nothing was sent"
            } else {
                "waiting for the server"
            };
            return (
                format!("{what} for {}", human::elapsed(time)),
                String::new(),
            );
        }
        let rate = self.rate.as_ref().map_or(0, |rate| rate.per_second(now));
        if rate == 0 {
            return (String::new(), String::new());
        }
        let left = self.totals.upload_bytes.saturating_sub(self.sent) / rate;
        (
            format!("{}/s", human::bytes(rate)),
            format!("{} left", human::elapsed(Duration::from_secs(left))),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 of 400 MiB were sent, 10 each second, up to now; and something has happened before.
    fn under_way(now: Instant) -> State {
        let begin = now.checked_sub(Duration::from_secs(10)).unwrap();
        let mut state = State {
            totals: PlanTotals {
                upload: 40,
                upload_bytes: 400 << 20,
                ..PlanTotals::default()
            },
            paths: 7,
            ..State::default()
        };
        state.begin(begin);
        for second in 1..=10 {
            state.send(10 << 20, begin + Duration::from_secs(second));
        }
        state
    }

    #[test]
    fn a_line_tells_how_far_how_fast_and_how_long() {
        let now = Instant::now() + Duration::from_secs(60);
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut state = under_way(now);
        assert_eq!(
            state.line(now).unwrap(),
            "100 MiB of 400 MiB (25 %), 7 of 40 paths, 10.0 MiB/s, 30 s left"
        );
        // One is printed every ten seconds.
        for second in 1..10 {
            assert_eq!(state.line(later(second)), None, "{second}");
        }
        assert_eq!(
            state.line(later(20)).unwrap(),
            "100 MiB of 400 MiB (25 %), 7 of 40 paths, waiting for the server for 20 s"
        );
        state.worked = Some(later(30));
        assert_eq!(
            state.line(later(31)).unwrap(),
            "100 MiB of 400 MiB (25 %), 7 of 40 paths, nothing was sent for 31 s"
        );
        state.send(300 << 20, later(42));
        assert_eq!(
            state.line(later(42)).unwrap(),
            "400 MiB of 400 MiB (100 %), 7 of 40 paths, 30.0 MiB/s, 0.0 s left"
        );
        state.worked = Some(later(59));
        assert_eq!(
            state.line(later(60)).unwrap(),
            "400 MiB of 400 MiB (100 %), 7 of 40 paths, waiting for the server for 18 s"
        );
        state.waiting = Some(("asking Nix for the closure".to_owned(), now));
        assert_eq!(state.line(later(61)), None);
        assert_eq!(
            state.line(later(71)).unwrap(),
            "Still asking Nix for the closure (1 min 11 s)"
        );
    }

    /// A large push says after some seconds that it moves, a small one is over by then.
    #[test]
    fn the_first_line_of_a_large_push_comes_early() {
        let begin = Instant::now();
        for (bytes, second) in [(250 << 20, 3), (32 << 20, 3), (31 << 20, 10), (1, 10)] {
            let mut state = State::default();
            state.totals.upload = 1;
            state.totals.upload_bytes = bytes;
            state.begin(begin);
            let lines = (1..=second).map(|at| state.line(begin + Duration::from_secs(at)));
            let told: Vec<bool> = lines.map(|line| line.is_some()).collect();
            assert_eq!(told.iter().filter(|told| **told).count(), 1, "{bytes}");
            assert_eq!(told.last(), Some(&true), "{bytes}");
        }
    }

    /// A server that answers no longer is seen on the bar, whose rate would else be that of better days.
    #[test]
    fn the_rate_falls_while_nothing_is_sent() {
        let now = Instant::now() + Duration::from_secs(60);
        let mut state = under_way(now);
        for (second, expected) in [
            (0, "25 %, 10.0 MiB/s, 30 s left"),
            (4, "25 %, 6.00 MiB/s, 50 s left"),
            (5, "25 %, waiting for the server for 5.0 s"),
            (65, "25 %, waiting for the server for 1 min 5 s"),
        ] {
            let at = now + Duration::from_secs(second);
            let told = state.beside_the_bar(at, 45).unwrap();
            assert_eq!(told, expected, "{second}");
        }
    }

    #[test]
    fn what_stands_beside_the_bar_fits_the_terminal() {
        let now = Instant::now() + Duration::from_secs(60);
        let mut state = under_way(now);
        // The longest that each part becomes.
        state.totals.upload = 20_000;
        state.paths = 19_999;
        state.totals.upload_bytes = 1000 << 40;
        state.sent = 999 << 40;
        for (columns, parts) in [
            (200, &["999 TiB", "19999 of 20000 paths", "/s", "left"][..]),
            (120, &["999 TiB", "19999 of 20000 paths", "/s", "left"]),
            (80, &["999 TiB", "(99 %)", "/s", "left"]),
            (60, &["99 %", "/s", "left"]),
            (43, &["99 %", "left"]),
            (24, &["99 %"]),
            (10, &["99 %"]),
        ] {
            let room = usize::from(bar::room_in(columns));
            let told = state.so_far(now, Some(room));
            for part in parts {
                assert!(told.contains(part), "{columns} columns, {part}: {told}");
            }
            let fits = told.chars().count() <= room || columns <= 20;
            assert!(fits, "{columns} columns: {told}");
        }
    }
}
