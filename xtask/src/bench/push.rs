//! A cold push of a system-sized closure.

use anyhow::Result;

use super::limit::{self, Limit};
use super::report::{Section, Target, Unit};
use super::rounds::{Side, interleaved};
use super::setting::Setting;
use super::statistics::median;
use super::transfer::{self, Transfer};
use crate::say;

const MIB: f64 = 1_048_576.0;

/// `fh push`, `nix copy` and the limit, in turns.
pub(super) fn run(setting: &Setting) -> Result<Section> {
    let closure = setting.large()?;
    setting.limit()?;
    let runs = setting.runs(5);
    let (mut ours, mut peer, mut limits) = (Vec::new(), Vec::new(), Vec::new());
    let sides = [
        Side::new("fh push", |directory| {
            let push = transfer::push(setting, setting.fh(), closure, directory, None)?;
            ours.push(push);
            Ok(push.text())
        }),
        Side::new("nix copy → nginx", |directory| {
            let push = transfer::nix_copy(setting, closure, directory, None)?;
            peer.push(push);
            Ok(push.text())
        }),
        Side::new("the machine's limit", |_| {
            let limit = limit::run(setting, closure)?;
            limits.push(limit);
            Ok(format!("{:.2} CPU-seconds", limit.cpu_seconds()))
        }),
    ];
    interleaved(setting, runs, sides, String::clone)?;

    let cores = std::thread::available_parallelism()?.get();
    // What cannot be saved, spread over all cores.
    let least = |limit: &Limit| limit.cpu_seconds() / cores as f64;
    let row = |key, what, unit, value| transfer::row(key, what, unit, (&ours, &peer), value);
    let wall: fn(&Transfer) -> f64 = |push| push.wall;
    let rows = vec![
        row("push.wall", "cold push, wall time", Unit::Seconds, wall)
            .promised(Target::RatioAtMost(0.85)),
        row(
            "push.limit",
            "cold push, against the machine's own limit",
            Unit::Seconds,
            wall,
        )
        .against("limit", limits.iter().map(least).collect()),
        row(
            "push.cpu",
            "CPU time of client and server",
            Unit::Seconds,
            Transfer::cpu,
        ),
        row(
            "push.client_cpu",
            "of which the client",
            Unit::Seconds,
            |push| push.client.cpu,
        ),
        row(
            "push.server_cpu",
            "of which the server",
            Unit::Seconds,
            |push| push.server.cpu,
        ),
        row(
            "push.client_memory",
            "peak memory of the client",
            Unit::Bytes,
            |push| push.client.peak_memory as f64,
        )
        .promised(Target::AtMost(150.0 * MIB)),
        row(
            "push.server_memory",
            "peak memory of the server",
            Unit::Bytes,
            |push| push.server.peak_memory as f64,
        )
        .promised(Target::AtMost(200.0 * MIB)),
        row("push.stored", "stored", Unit::Bytes, |push| {
            push.stored as f64
        })
        .promised(Target::RatioAtMost(1.05)),
    ];
    Ok(Section {
        name: "push",
        title: format!(
            "{} paths, {}, cold, against nix copy (Nix {}) into {} with DAV, zstd, and against the \
             machine's own limit; medians of {runs}",
            closure.paths.len(),
            say::bytes(closure.nar_bytes),
            setting.nix().version(),
            setting.nginx.version()?,
        ),
        rows,
        notes: vec![limit_text(&limits, cores)],
    })
}

fn limit_text(limits: &[Limit], cores: usize) -> String {
    let of = |step: fn(&Limit) -> f64| median(&limits.iter().map(step).collect::<Vec<_>>());
    format!(
        "the limit is (compressing {:.2} + decompressing {:.2} + SHA-256 {:.2}) CPU-seconds over \
         {cores} cores, by the client's own library code on the same bytes; packing the NARs would \
         take {:.2} more",
        of(|limit| limit.compress),
        of(|limit| limit.decompress),
        of(|limit| limit.hash),
        of(|limit| limit.pack),
    )
}
