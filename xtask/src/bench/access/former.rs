//! The same narinfos among 2 million paths, of this `fh` and of a former one. Each server makes its data
//! itself, since its schema may be another one.

use anyhow::Result;

use super::super::former_rows::{RUNS, Spent, rows};
use super::super::measure::{self, Cost};
use super::super::report::Row;
use super::super::rounds::{Side, in_turns};
use super::super::setting::Setting;
use super::super::statistics::median;
use super::super::wrk::{Expected, Wrk};
use super::ask::Asker;
use super::plan::{FLAKES, USUAL};
use super::stage::{Stage, address, nowhere};

/// Of each run of wrk.
const SECONDS: u32 = 2;

/// Of the paths that are asked for in turn.
const MANY: usize = 2_000;

/// Narinfos that are asked for once, and again and again.
pub(in crate::bench) fn against_former(setting: &Setting) -> Result<Vec<Row>> {
    let runs = setting.runs(RUNS);
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
        let samples = in_turns(setting, runs, sides, Spent::text)?;
        all.extend(rows(keys, &what, samples));
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
            let samples = in_turns(setting, runs, sides, Spent::text)?;
            all.extend(rows(keys, what, samples));
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
    let mut asker = Asker::connect(server.port(), &stage.authorization(USUAL)?)?;
    for path in nowhere(50) {
        asker.get(&path, 404)?;
    }
    let before = measure::so_far(server.pid());
    let latencies = paths
        .iter()
        .map(|path| Ok(asker.get(&address(*path), 200)?.as_secs_f64()))
        .collect::<Result<Vec<_>>>()?;
    let cost = Cost::between(before, measure::so_far(server.pid()));
    drop(asker);
    server.stop()?;
    Ok(Spent {
        time: median(&latencies),
        cpu: cost.cpu.as_secs_f64(),
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
    let before = measure::so_far(server.pid());
    let load = ask(SECONDS)?;
    let cost = Cost::between(before, measure::so_far(server.pid()));
    server.stop()?;
    Ok(Spent {
        time: 1.0 / load.requests_per_second,
        cpu: cost.cpu.as_secs_f64() / load.requests,
    })
}
