//! What the time tells of a 404: a path that other slices hold against one that is nowhere. The answers are
//! the same to the byte; this is about how long they take.
//!
//! Both are asked for in turns over one connection of a server that was just started: once each, and then
//! once more, when both are remembered. Beside the medians stands how often somebody would be right who takes
//! the slower one of the two for the path that exists: half of the time, where time tells nothing.

use anyhow::Result;

use super::super::report::{Row, Unit};
use super::super::statistics::{median, slower};
use super::ask::Asker;
use super::plan::{FLAKES, NEWEST_FEW, NOTHING, USUAL};
use super::stage::{Stage, address, hidden_from, nowhere};

/// Of each kind, in one run.
const PATHS: usize = 150;

/// The peer's name in tables.
const NOWHERE: &str = "nowhere";

/// Who asks in vain, and for what.
struct Case {
    keys: [&'static str; 2],
    what: &'static str,
    holders: u32,
    view: &'static str,
}

const CASES: [Case; 4] = [
    Case {
        keys: ["access.absent_1", "access.absent_again_1"],
        what: "path in 1 other slice",
        holders: 1,
        view: USUAL,
    },
    Case {
        keys: ["access.absent_100", "access.absent_again_100"],
        what: "path in 100 other slices, view of the newest 100",
        holders: 100,
        view: NEWEST_FEW,
    },
    Case {
        keys: ["access.absent_1000", "access.absent_again_1000"],
        what: "path in 1000 other slices, view of 10",
        holders: 1_000,
        view: "view-10",
    },
    Case {
        keys: ["access.absent_10000", "access.absent_again_10000"],
        what: "path in 10000 other slices, view of nothing",
        holders: FLAKES,
        view: NOTHING,
    },
];

/// Rows, and what could be told from the time, as notes.
pub(super) fn run(stage: &Stage<'_>) -> Result<(Vec<Row>, Vec<String>)> {
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    for case in &CASES {
        let runs = stage.setting.runs(3);
        let mut medians = [const { (Vec::new(), Vec::new()) }; 2];
        let mut all = medians.clone();
        for _ in 0..runs {
            let asked = ask(stage, case)?;
            for ((medians, all), (hidden, absent)) in medians.iter_mut().zip(&mut all).zip(asked) {
                medians.0.push(median(&hidden));
                medians.1.push(median(&absent));
                all.0.extend(hidden);
                all.1.extend(absent);
            }
        }
        let turns = ["asked for once", "asked for again"];
        for (((key, turn), medians), all) in case.keys.iter().zip(turns).zip(medians).zip(&all) {
            let what = format!("a 404, {turn}, {}", case.what);
            notes.push(format!(
                "{what}: slower than nowhere {:.0} of 100 times",
                100.0 * slower(&all.0, &all.1)
            ));
            let (hidden, absent) = medians;
            let row = Row::new(key, what, Unit::Seconds, hidden);
            rows.push(row.against(NOWHERE, absent));
        }
    }
    Ok((rows, notes))
}

/// Latencies of what is hidden and of what is nowhere: the first time, and the second.
fn ask(stage: &Stage<'_>, case: &Case) -> Result<[(Vec<f64>, Vec<f64>); 2]> {
    let hidden = hidden_from(case.view, case.holders, PATHS)?;
    let absent = nowhere(200);
    let (known, absent) = absent.split_at(50);
    let server = stage.serve()?;
    let mut asker = Asker::connect(server.port(), &stage.authorization(case.view)?)?;
    for path in known {
        asker.get(path, 404)?;
    }
    let mut turn = || -> Result<(Vec<f64>, Vec<f64>)> {
        let (mut of_hidden, mut of_absent) = (Vec::new(), Vec::new());
        for (index, (hidden, absent)) in hidden.iter().zip(absent).enumerate() {
            let hidden = address(*hidden);
            let mut pair = [(&hidden, &mut of_hidden), (absent, &mut of_absent)];
            if index % 2 == 1 {
                pair.reverse();
            }
            for (path, latencies) in pair {
                latencies.push(asker.get(path, 404)?.as_secs_f64());
            }
        }
        Ok((of_hidden, of_absent))
    };
    let both = [turn()?, turn()?];
    server.stop()?;
    Ok(both)
}
