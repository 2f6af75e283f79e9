//! Many small paths, where round trips show.

use std::time::Duration;

use anyhow::Result;
use fh_testkit::proxy::Plan;

use super::report::{Section, Target, Unit};
use super::rounds::{Side, interleaved};
use super::setting::Setting;
use super::transfer::{self, Transfer, row};

/// Of the long line.
const ROUND_TRIP: Duration = Duration::from_millis(50);

/// Each side cold, over loopback and over a long line.
pub(super) fn run(setting: &Setting) -> Result<Section> {
    let closure = setting.many_small()?;
    let runs = setting.runs(5);
    let line = Some(Plan::round_trip(ROUND_TRIP));
    let sides = [
        Side::new("fh push", |directory| {
            transfer::push(setting, setting.fh(), closure, directory, None)
        }),
        Side::new("nix copy → nginx", |directory| {
            transfer::nix_copy(setting, closure, directory, None)
        }),
    ];
    let [ours, peer] = interleaved(setting, runs, sides, Transfer::text)?;
    // The peer takes most of a minute, and nothing on this line is a matter of luck.
    let delayed_runs = runs.min(3);
    let sides = [
        Side::new("fh push, 50 ms", |directory| {
            transfer::push(setting, setting.fh(), closure, directory, line)
        }),
        Side::new("nix copy → nginx, 50 ms", |directory| {
            transfer::nix_copy(setting, closure, directory, line)
        }),
    ];
    let [ours_delayed, peer_delayed] = interleaved(setting, delayed_runs, sides, Transfer::text)?;

    let near = (&ours[..], &peer[..]);
    let far = (&ours_delayed[..], &peer_delayed[..]);
    Ok(Section {
        name: "small",
        title: format!(
            "{} paths of 1 to 20 KiB, cold, against nix copy (Nix {}) into {} with DAV; medians of {runs}, \
             over the long line of {delayed_runs}",
            closure.paths.len(),
            setting.nix().version(),
            setting.nginx.version()?,
        ),
        rows: vec![
            row("small.wall", "small paths, loopback", Unit::Seconds, near, |push| push.wall)
                .promised(Target::RatioAtMost(0.5)),
            row("small.cpu", "CPU time of client and server", Unit::Seconds, near, Transfer::cpu),
            row("small.delayed_wall", "small paths, 50 ms round trip", Unit::Seconds, far, |push| {
                push.wall
            }),
            row("small.round_trips", "round trips, all connections", Unit::Count, far, |push| {
                push.counts.round_trips() as f64
            })
            .promised(Target::AtMost(15.0)),
            row("small.connections", "of which set up a connection", Unit::Count, far, |push| {
                push.counts.connections as f64
            }),
        ],
        notes: vec![
            "the long line is a TCP proxy that holds each byte for 25 ms, any number of them at the \
             same time, and makes setting up a connection take 50 ms; a round trip is a connection \
             set up, or the client beginning to speak again after it was answered, whatever other \
             connections do meanwhile"
                .to_owned(),
        ],
    })
}
