//! How long a command takes that has nothing to do.

use std::process::Command;

use anyhow::Result;
use fh_testkit::nix::Home;

use super::measure;
use super::report::{Row, Section, Target, Unit};
use super::rounds::{Side, interleaved};
use super::setting::Setting;
use super::statistics::median;

/// Runs of a program to a sample: CPU time is counted in steps of 10 ms.
const REPEAT: u32 = 40;

/// The most that a start may take, in seconds.
const TARGET: f64 = 0.010;

/// Seconds of one start.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// The median of the runs.
    wall: f64,
    /// The mean of the runs.
    cpu: f64,
}

type Kind = (&'static str, fn(&Start) -> f64);

/// What is said of each program, and how it is found in a sample.
const KINDS: [Kind; 2] = [
    ("wall time", |start| start.wall),
    ("CPU time", |start| start.cpu),
];

/// `fh --version`, and `fh status` of somebody who is logged in nowhere; Nix for comparison.
pub(super) fn run(setting: &Setting) -> Result<Section> {
    let runs = setting.runs(5);
    let home = Home::new()?;
    let fh = |arguments: &[&str]| {
        let mut command = Command::new(setting.fh());
        setting.nix().adopt(&mut command, &home);
        command.args(arguments);
        command
    };
    let nix = || {
        let mut command = setting.nix().command("nix", &home);
        command.arg("--version");
        command
    };
    let sides = [
        Side::new("fh --version", |_| sample(|| fh(&["--version"]))),
        Side::new("fh status, no server", |_| sample(|| fh(&["status"]))),
        Side::new("nix --version", |_| sample(nix)),
    ];
    let [version, status, peer] =
        interleaved(setting, runs, sides, |start| Unit::Seconds.text(start.wall))?;
    let mut rows = Vec::new();
    for (keys, name, samples) in [
        (
            ["start.version", "start.version_cpu"],
            "fh --version",
            &version,
        ),
        (
            ["start.status", "start.status_cpu"],
            "fh status, no server",
            &status,
        ),
    ] {
        for (key, (kind, value)) in keys.into_iter().zip(KINDS) {
            let values = |samples: &[Start]| samples.iter().map(value).collect();
            let what = format!("{name}, {kind}");
            rows.push(
                Row::new(key, what, Unit::Seconds, values(samples))
                    .against("nix --version", values(&peer))
                    .promised(Target::AtMost(TARGET)),
            );
        }
    }
    Ok(Section {
        name: "start",
        title: format!("a process from its start to its end; medians of {runs} times {REPEAT}"),
        rows,
        notes: Vec::new(),
    })
}

fn sample(command: impl Fn() -> Command) -> Result<Start> {
    let before = measure::cpu_of_children()?;
    let walls = (0..REPEAT)
        .map(|_| Ok(measure::wall_of(&mut command())?.as_secs_f64()))
        .collect::<Result<Vec<_>>>()?;
    let cpu = measure::cpu_of_children()? - before;
    Ok(Start {
        wall: median(&walls),
        cpu: cpu / f64::from(REPEAT),
    })
}
