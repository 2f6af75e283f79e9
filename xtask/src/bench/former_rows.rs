//! What two versions of fh took for the same, as rows.

use anyhow::Result;

use super::report::{Row, Target, Unit};
use super::rounds::{Side, interleaved};
use super::setting::Setting;

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
    fn text(&self) -> String {
        let of = |seconds| Unit::Seconds.text(seconds);
        format!("{}, {} of CPU time", of(self.time), of(self.cpu))
    }
}

/// The time and the CPU time of something, as this `fh` and the former one take turns at it.
pub(super) fn compare(
    setting: &Setting,
    keys: [&'static str; 2],
    what: &str,
    sides: [Side<'_, Spent>; 2],
) -> Result<[Row; 2]> {
    let [ours, former] = interleaved(setting, setting.runs(RUNS), sides, Spent::text)?;
    let row = |key, what: String, value: fn(&Spent) -> f64, target| {
        let values = |samples: &[Spent]| samples.iter().map(value).collect();
        Row::new(key, what, Unit::Seconds, values(&ours))
            .against(PEER, values(&former))
            .promised(target)
    };
    let [time, cpu] = keys;
    Ok([
        row(time, what.to_owned(), |spent| spent.time, TIME),
        row(cpu, format!("{what}, CPU time"), |spent| spent.cpu, CPU),
    ])
}
