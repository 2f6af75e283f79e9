//! What two versions of fh took for the same, as rows.

use super::report::{Peer, Row, Target, Unit};

/// The peer's name in tables.
pub(super) const PEER: &str = "former";

/// How much longer something may take, and how much more CPU time.
const TIME: Target = Target::RatioAtMost(1.05);
const CPU: Target = Target::RatioAtMost(1.03);

/// Rounds, where nothing else is asked for.
pub(super) const RUNS: usize = 15;

/// What one turn of something took, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) time: f64,
    /// Of client and server, or of the server alone.
    pub(super) cpu: f64,
}

impl Spent {
    /// One line for the progress.
    pub(super) fn text(&self) -> String {
        let of = |seconds| Unit::Seconds.text(seconds);
        format!("{}, {} of CPU time", of(self.time), of(self.cpu))
    }
}

/// The time and the CPU time of something, by this `fh` and by the former one.
pub(super) fn rows(
    keys: [&'static str; 2],
    what: &str,
    [ours, former]: [Vec<Spent>; 2],
) -> [Row; 2] {
    let time: fn(&Spent) -> f64 = |spent| spent.time;
    let cpu: fn(&Spent) -> f64 = |spent| spent.cpu;
    let [time_key, cpu_key] = keys;
    [
        (time_key, what.to_owned(), time, TIME),
        (cpu_key, format!("{what}, CPU time"), cpu, CPU),
    ]
    .map(|(key, what, value, target)| Row {
        key,
        what,
        unit: Unit::Seconds,
        fh: ours.iter().map(value).collect(),
        peer: Some(Peer {
            name: PEER.to_owned(),
            samples: former.iter().map(value).collect(),
        }),
        target: Some(target),
    })
}
