//! The same reads of this `fh` and of a former one.

use anyhow::Result;

use super::super::former_rows::{RUNS, Spent, rows};
use super::super::measure::{self, Cost};
use super::super::report::Row;
use super::super::rounds::{Side, in_turns};
use super::super::setting::Setting;
use super::super::wrk::Wrk;
use super::stage::Stage;
use super::{Asked, ask, download_enough, script};

/// Narinfos over one connection and sixteen, and all NARs over eight.
pub(in crate::bench) fn against_former(setting: &Setting) -> Result<Vec<Row>> {
    let closure = setting.large()?;
    let runs = setting.runs(RUNS);
    let stages = [
        ("fh", Stage::set(setting, setting.fh(), closure)?),
        ("former", Stage::set(setting, setting.former()?, closure)?),
    ];
    let mut all = Vec::new();
    if let Ok(wrk) = Wrk::find()? {
        for (keys, connections) in [
            (["former.narinfo_1", "former.narinfo_1_cpu"], 1),
            (["former.narinfo_16", "former.narinfo_16_cpu"], 16),
        ] {
            let what = format!("a narinfo over {connections}");
            let sides = stages.each_ref().map(|(name, stage)| {
                let wrk = &wrk;
                Side::new(format!("{name}, {what}"), move |_| {
                    narinfos(stage, wrk, connections)
                })
            });
            let samples = in_turns(setting, runs, sides, Spent::text)?;
            all.extend(rows(keys, &what, samples));
        }
    }
    let sides = stages
        .each_ref()
        .map(|(name, stage)| Side::new(format!("{name}, NARs over 8"), move |_| nars(stage)));
    let samples = in_turns(setting, runs, sides, Spent::text)?;
    all.extend(rows(
        ["former.nars_8", "former.nars_8_cpu"],
        "2 GiB of NARs over 8",
        samples,
    ));
    for (_, stage) in stages {
        stage.strike()?;
    }
    Ok(all)
}

/// The latency of a narinfo, and the server's CPU time for one.
fn narinfos(stage: &Stage<'_>, wrk: &Wrk, connections: usize) -> Result<Spent> {
    let (source, root) = stage.ours();
    let script = script(stage, "former.lua", &root)?;
    let server = stage.installation.server.pid();
    let Asked { load, cpu } = ask(wrk, source, &script, server, connections)?;
    Ok(Spent {
        // Of what is asked for side by side, the rate says more than a latency.
        time: match connections {
            1 => load.latency,
            _ => 1.0 / load.requests_per_second,
        },
        cpu,
    })
}

fn nars(stage: &Stage<'_>) -> Result<Spent> {
    let server = stage.installation.server.pid();
    let before = measure::so_far(server);
    let (_, time) = download_enough(stage.ours(), &stage.nars, 8)?;
    let cost = Cost::between(before, measure::so_far(server));
    Ok(Spent {
        time: time.as_secs_f64(),
        cpu: cost.cpu.as_secs_f64(),
    })
}
