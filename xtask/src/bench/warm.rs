//! Pushing what is there already.

use anyhow::Result;
use fh_testkit::nix::Home;

use super::fh::Installation;
use super::measure;
use super::report::{Row, Section, Target, Unit};
use super::rounds::{Side, interleaved};
use super::setting::Setting;

/// Against asking Nix for the closure, which every push has to do.
pub(super) fn run(setting: &Setting) -> Result<Section> {
    let closure = setting.large()?;
    let runs = setting.runs(15);
    let place = setting.scratch.directory()?;
    let installation = Installation::start(setting, setting.fh(), &place)?;
    measure::run(&mut installation.push(closure), &place.join("push.log"))?;
    installation.ensure_has(closure)?;

    let home = Home::at(&place.join("nix-home"))?;
    let sides = [
        Side::new("fh push, all there", |directory| {
            let mut command = installation.push(closure);
            measure::run(&mut command, &directory.join("push.log"))
        }),
        Side::new("nix path-info", |directory| {
            let mut command = setting.nix().command("nix", &home);
            command.args(["path-info", "--json", "-r", &closure.top]);
            measure::run(&mut command, &directory.join("path-info.log"))
        }),
    ];
    let [ours, peer] = interleaved(setting, runs, sides, |measured| {
        Unit::Seconds.text(measured.wall)
    })?;
    installation.server.stop()?;

    let walls = |samples: &[measure::Measured]| samples.iter().map(|it| it.wall).collect();
    Ok(Section {
        name: "warm",
        title: format!(
            "{} paths, all on the server, against `nix path-info --json -r` alone (Nix {}); medians of \
             {runs}",
            closure.paths.len(),
            setting.nix().version(),
        ),
        rows: vec![
            Row::new("warm.wall", "nothing to push", Unit::Seconds, walls(&ours))
                .against("nix path-info", walls(&peer))
                .promised(Target::TimesPlus(1.5, 0.030)),
        ],
        notes: Vec::new(),
    })
}
