//! Memory where it would grow if anything did not bound it: one huge NAR, and a slow line.

use anyhow::Result;
use fh_testkit::nix::Home;
use fh_testkit::nix::closure::{self, Closure};
use fh_testkit::proxy::Plan;

use super::report::{Row, Section, Target, Unit};
use super::setting::{Setting, progress};
use super::transfer::{self, Transfer};
use crate::say;

const MIB: f64 = 1_048_576.0;

/// The size of the huge path's one file.
const HUGE: u64 = 5 << 30;

/// What each connection of the slow line passes in a second: compressing is much faster, so all that
/// may wait for the line does.
const SLOW: u64 = 5 << 20;

/// A closure is pushed once each: peaks vary little, and there is no peer.
pub(super) fn run(setting: &Setting) -> Result<Section> {
    let closure = setting.large()?;
    let home = Home::new()?;
    progress("  pushing over a slow line");
    let slow = one(setting, closure, Some(Plan::throttled(SLOW)))?;
    progress(&format!("  {}; pushing one huge NAR", slow.text()));
    let place = tempfile::tempdir()?;
    let huge = closure::huge(setting.nix(), &home, closure, HUGE, place.path())?;
    let pushed = one(setting, &huge, None);
    // It would be several gigabytes in the store of this machine.
    place.close()?;
    huge.delete(setting.nix(), &home)?;
    let pushed = pushed?;
    let mut rows = Vec::new();
    for (keys, what, transfer) in [
        (
            ["memory.huge_client", "memory.huge_server"],
            "one NAR of 5 GiB",
            &pushed,
        ),
        (
            ["memory.slow_client", "memory.slow_server"],
            "slow line",
            &slow,
        ),
    ] {
        let sides = [
            ("client", transfer.client.peak_memory, 150.0),
            ("server", transfer.server.peak_memory, 200.0),
        ];
        for (key, (side, peak, most)) in keys.into_iter().zip(sides) {
            let what = format!("peak memory of the {side}, {what}");
            let row = Row::new(key, what, Unit::Bytes, vec![peak as f64]);
            rows.push(row.promised(Target::AtMost(most * MIB)));
        }
    }
    Ok(Section {
        name: "memory",
        title: format!(
            "cold pushes: one path of {} ({}), and {} over connections of {} a second each ({}); once each",
            say::bytes(huge.nar_bytes),
            pushed.text(),
            say::bytes(closure.nar_bytes),
            say::bytes(SLOW),
            slow.text(),
        ),
        rows,
        notes: Vec::new(),
    })
}

fn one(setting: &Setting, closure: &Closure, line: Option<Plan>) -> Result<Transfer> {
    let directory = setting.scratch.directory()?;
    rustix::fs::sync();
    transfer::push(setting, setting.fh(), closure, &directory, line)
}
