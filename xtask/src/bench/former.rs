//! Against the `fh` of an earlier commit: whether a change has made anything slower.
//!
//! Client and server are of one commit each. Both take turns on the same machine, with the same closures.

use anyhow::Result;

use super::report::{Peer, Row, Section, Target, Unit};
use super::rounds::{Side, in_turns};
use super::setting::Setting;
use super::transfer::{self, Transfer};
use super::{access, read};

/// The peer's name in tables.
const PEER: &str = "former";

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
    /// For the progress.
    pub(super) fn text(&self) -> String {
        let of = |seconds| Unit::Seconds.text(seconds);
        format!("{}, {} of CPU time", of(self.time), of(self.cpu))
    }
}

/// All of it.
pub(super) fn run(setting: &Setting) -> Result<Section> {
    let runs = setting.runs(RUNS);
    let mut rows = push(setting, runs)?;
    rows.extend(read::against_former(setting)?);
    rows.extend(access::against_former(setting)?);
    Ok(Section {
        name: "former",
        title: format!(
            "this fh and a former one, client and server of each; medians of {runs}, in turns"
        ),
        rows,
        notes: Vec::new(),
    })
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

/// Cold pushes of a large closure, and of many small paths.
fn push(setting: &Setting, runs: usize) -> Result<Vec<Row>> {
    let mut all = Vec::new();
    for (keys, what, closure) in [
        (
            ["former.push", "former.push_cpu"],
            "cold push of 1.25 GiB",
            setting.large()?,
        ),
        (
            ["former.small", "former.small_cpu"],
            "cold push of 500 small paths",
            setting.many_small()?,
        ),
    ] {
        let side = |name: &str, fh| {
            Side::new(format!("{name}, {what}"), move |directory| {
                transfer::push(setting, fh, closure, directory, None).map(|push| spent(&push))
            })
        };
        let sides = [side("fh", setting.fh()), side(PEER, setting.former()?)];
        let samples = in_turns(setting, runs, sides, Spent::text)?;
        all.extend(rows(keys, what, samples));
    }
    Ok(all)
}

fn spent(push: &Transfer) -> Spent {
    Spent {
        time: push.wall,
        cpu: (push.client.cpu + push.server.cpu).as_secs_f64(),
    }
}
