//! The first time that somebody asks: a server that was just started, and paths that are asked for once
//! each, so that nothing is remembered but the caller and the names of the flakes.

use anyhow::Result;

use super::super::report::{Row, Target, Unit};
use super::super::rounds::{Side, interleaved};
use super::super::statistics::median;
use super::ask::Asker;
use super::plan::{FLAKES, NEWEST, NEWEST_FEW, USUAL};
use super::rows::{FACTOR, FEW};
use super::stage::Stage;

/// Of the paths that are asked for in one run.
const PATHS: usize = 100;

/// By how many slices hold the path, and by how large the view is; and the worst order. All against a path in
/// ten slices.
pub(super) fn run(stage: &Stage<'_>) -> Result<Vec<Row>> {
    let sides = CASES.map(|case| {
        let paths = stage.inside(case.holders, PATHS);
        Side::new(format!("cold, {}", case.what), move |_| {
            ask(stage, &case, &paths)
        })
    });
    let runs = stage.setting.runs(5);
    let samples = interleaved(stage.setting, runs, sides, |latency| {
        Unit::Seconds.text(*latency)
    })?;
    let [fewest, ..] = &samples;
    let rows = CASES.iter().zip(&samples).skip(1);
    let rows = rows.map(|(case, ours)| {
        let what = format!("asked for once, {}", case.what);
        Row::new(case.key, what, Unit::Seconds, ours.clone())
            .against(FEW, fewest.clone())
            .promised(Target::RatioAtMost(FACTOR))
    });
    Ok(rows.collect())
}

/// What is asked for, and by whom.
#[derive(Clone, Copy, Debug)]
struct Case {
    key: &'static str,
    what: &'static str,
    holders: u32,
    view: &'static str,
}

const fn case(key: &'static str, what: &'static str, holders: u32, view: &'static str) -> Case {
    Case {
        key,
        what,
        holders,
        view,
    }
}

/// What all others are compared to comes first.
const CASES: [Case; 10] = [
    case("access.cold_10", "path in 10 slices", 10, USUAL),
    case("access.cold_100", "path in 100 slices", 100, USUAL),
    case("access.cold_1000", "path in 1000 slices", 1_000, USUAL),
    case("access.cold_10000", "path in 10000 slices", FLAKES, USUAL),
    case(
        "access.cold_view_10",
        "path in 10000 slices, view of 10",
        FLAKES,
        "view-10",
    ),
    case(
        "access.cold_view_100",
        "path in 10000 slices, view of 100",
        FLAKES,
        "view-100",
    ),
    case(
        "access.cold_view_1000",
        "path in 10000 slices, view of 1000",
        FLAKES,
        "view-1000",
    ),
    case(
        "access.cold_view_10000",
        "path in 10000 slices, view of 10000",
        FLAKES,
        "view-10000",
    ),
    case(
        "access.cold_newest_100",
        "path in 10000 slices, view of the newest 100",
        FLAKES,
        NEWEST_FEW,
    ),
    case(
        "access.cold_newest_5000",
        "path in 10000 slices, view of the newest 5000",
        FLAKES,
        NEWEST,
    ),
];

/// The median of the latencies.
fn ask(stage: &Stage<'_>, case: &Case, paths: &[u32]) -> Result<f64> {
    let server = stage.serve()?;
    let mut asker = Asker::warmed_up(&server, &stage.authorization(case.view)?)?;
    let latencies = asker.latencies(paths)?;
    drop(asker);
    server.stop()?;
    Ok(median(&latencies))
}
