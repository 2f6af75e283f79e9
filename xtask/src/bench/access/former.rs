//! The same narinfos among 2 million paths, of this `fh` and of a former one. Each server makes its data
//! itself, since its schema may be another one.

use anyhow::Result;

use super::super::former_rows::{Spent, compare};
use super::super::measure::Cost;
use super::super::report::Row;
use super::super::rounds::Side;
use super::super::setting::Setting;
use super::super::statistics::median;
use super::super::wrk::{Expected, Wrk};
use super::ask::Asker;
use super::plan::{FLAKES, USUAL};
use super::stage::{Stage, address};

/// Of each run of wrk.
const SECONDS: u32 = 2;

/// Of the paths that are asked for in turn.
const MANY: usize = 2_000;

/// Narinfos that are asked for once, and again and again.
pub(in crate::bench) fn against_former(setting: &Setting) -> Result<Vec<Row>> {
    let stages = [
        ("fh", Stage::set(setting, setting.fh())?),
        ("former", Stage::set(setting, setting.former()?)?),
    ];
    let mut all = Vec::new();
    for (keys, holders) in [
        (["former.cold_10", "former.cold_10_cpu"], 10),
        (["former.cold_10000", "former.cold_10000_cpu"], FLAKES),
    ] {
        let what = format!("asked for once, path in {holders} slices");
        let sides = stages.each_ref().map(|(name, stage)| {
            Side::new(format!("{name}, {what}"), move |_| cold(stage, holders))
        });
        all.extend(compare(setting, keys, &what, sides)?);
    }
    if let Ok(wrk) = Wrk::find()? {
        for (keys, what, expected) in [
            (
                ["former.hot", "former.hot_cpu"],
                "asked for again, over 64",
                Expected::Found,
            ),
            (
                ["former.in_vain", "former.in_vain_cpu"],
                "in vain, paths outside the view, over 64",
                Expected::Absent,
            ),
        ] {
            let sides = stages.each_ref().map(|(name, stage)| {
                let wrk = &wrk;
                Side::new(format!("{name}, {what}"), move |_| {
                    hot(stage, wrk, expected)
                })
            });
            all.extend(compare(setting, keys, what, sides)?);
        }
    }
    for (_, stage) in stages {
        stage.nginx.stop()?;
    }
    Ok(all)
}

/// The median of up to 2 000 paths, of a server that was just started; CPU time of all of them.
fn cold(stage: &Stage<'_>, holders: u32) -> Result<Spent> {
    let paths = stage.inside(holders, MANY);
    let server = stage.serve()?;
    let mut asker = Asker::warmed_up(&server, &stage.authorization(USUAL)?)?;
    let (latencies, cost) = Cost::during(server.pid(), || asker.latencies(&paths))?;
    drop(asker);
    server.stop()?;
    Ok(Spent {
        time: median(&latencies),
        cpu: cost.cpu,
    })
}

/// Seconds by the rate, and the server's CPU time for each.
fn hot(stage: &Stage<'_>, wrk: &Wrk, expected: Expected) -> Result<Spent> {
    let paths = match expected {
        Expected::Found => [FLAKES, 1_000, 100, 10, 1]
            .into_iter()
            .flat_map(|holders| stage.inside(holders, MANY / 5))
            .collect(),
        Expected::Absent => stage.outside(1, MANY),
    };
    let paths: Vec<String> = paths.into_iter().map(address).collect();
    let script = stage.script(&format!("former-{expected:?}"), USUAL, &paths)?;
    let server = stage.serve()?;
    let ask = |seconds| wrk.run(&server.url(), &script, 64, seconds, expected);
    // Until all of it is in memory.
    ask(1)?;
    let (load, cost) = Cost::during(server.pid(), || ask(SECONDS))?;
    server.stop()?;
    Ok(Spent {
        time: 1.0 / load.requests_per_second,
        cpu: cost.cpu / load.requests,
    })
}
