//! The same reads of this `fh` and of a former one.

use anyhow::Result;

use super::super::former_rows::{Spent, compare};
use super::super::measure::Cost;
use super::super::report::Row;
use super::super::rounds::Side;
use super::super::setting::Setting;
use super::super::wrk::Wrk;
use super::stage::Stage;
use super::{Asked, ask, download_enough, script};

/// Narinfos over one connection and sixteen, and all NARs over eight.
pub(in crate::bench) fn against_former(setting: &Setting) -> Result<Vec<Row>> {
    let closure = setting.large()?;
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
            all.extend(compare(setting, keys, &what, sides)?);
        }
    }
    let sides = stages
        .each_ref()
        .map(|(name, stage)| Side::new(format!("{name}, NARs over 8"), move |_| nars(stage)));
    let keys = ["former.nars_8", "former.nars_8_cpu"];
    all.extend(compare(setting, keys, "2 GiB of NARs over 8", sides)?);
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
    let ((_, time), cost) = Cost::during(stage.installation.server.pid(), || {
        download_enough(stage.ours(), &stage.nars, 8)
    })?;
    Ok(Spent {
        time: time.as_secs_f64(),
        cpu: cost.cpu,
    })
}
