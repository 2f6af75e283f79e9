//! A cold push of a system-sized closure.

use anyhow::Result;

use super::limit::{self, Limit};
use super::report::{Peer, Row, Section, Target, Unit};
use super::rounds::{Side, in_turns};
use super::setting::Setting;
use super::statistics::median;
use super::transfer::{self, Transfer, row};
use crate::say;

const MIB: f64 = 1_048_576.0;

/// What one turn gives: a push, or the limit.
enum Turn {
    Push(Transfer),
    Limit(Limit),
}

impl Turn {
    fn text(&self) -> String {
        match self {
            Self::Push(transfer) => transfer.text(),
            Self::Limit(limit) => format!("{:.2} CPU-seconds", limit.cpu_seconds()),
        }
    }

    fn push(self) -> Option<Transfer> {
        match self {
            Self::Push(transfer) => Some(transfer),
            Self::Limit(_) => None,
        }
    }

    fn limit(self) -> Option<Limit> {
        match self {
            Self::Push(_) => None,
            Self::Limit(limit) => Some(limit),
        }
    }
}

/// `fh push`, `nix copy` and the limit, in turns.
pub(super) fn run(setting: &Setting) -> Result<Section> {
    let closure = setting.large()?;
    setting.limit()?;
    let runs = setting.runs(5);
    let sides = [
        Side::new("fh push", |directory| {
            transfer::push(setting, setting.fh(), closure, directory, None).map(Turn::Push)
        }),
        Side::new("nix copy → nginx", |directory| {
            transfer::nix_copy(setting, closure, directory, None).map(Turn::Push)
        }),
        Side::new("the machine's limit", |_| {
            limit::run(setting, closure).map(Turn::Limit)
        }),
    ];
    let [ours, peer, limits] = in_turns(setting, runs, sides, Turn::text)?;
    let pushes = |turns: Vec<Turn>| turns.into_iter().filter_map(Turn::push);
    let (ours, peer): (Vec<_>, Vec<_>) = (pushes(ours).collect(), pushes(peer).collect());
    let limits: Vec<Limit> = limits.into_iter().filter_map(Turn::limit).collect();

    let cores = std::thread::available_parallelism()?.get();
    let both = (&ours[..], &peer[..]);
    let mut rows = vec![
        row(
            "push.wall",
            "cold push, wall time",
            Unit::Seconds,
            Some(Target::RatioAtMost(0.85)),
            both,
            |transfer| transfer.wall,
        ),
        against_limit(&ours, &limits, cores),
    ];
    rows.extend([
        row(
            "push.cpu",
            "CPU time of client and server",
            Unit::Seconds,
            None,
            both,
            |transfer| (transfer.client.cpu + transfer.server.cpu).as_secs_f64(),
        ),
        row(
            "push.client_cpu",
            "of which the client",
            Unit::Seconds,
            None,
            both,
            |transfer| transfer.client.cpu.as_secs_f64(),
        ),
        row(
            "push.server_cpu",
            "of which the server",
            Unit::Seconds,
            None,
            both,
            |transfer| transfer.server.cpu.as_secs_f64(),
        ),
        row(
            "push.client_memory",
            "peak memory of the client",
            Unit::Bytes,
            Some(Target::AtMost(150.0 * MIB)),
            both,
            |transfer| transfer.client.peak_memory as f64,
        ),
        row(
            "push.server_memory",
            "peak memory of the server",
            Unit::Bytes,
            Some(Target::AtMost(200.0 * MIB)),
            both,
            |transfer| transfer.server.peak_memory as f64,
        ),
        row(
            "push.stored",
            "stored",
            Unit::Bytes,
            Some(Target::RatioAtMost(1.05)),
            both,
            |transfer| transfer.stored as f64,
        ),
    ]);
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

/// Our wall time by the CPU time that cannot be saved, spread over all cores.
fn against_limit(ours: &[Transfer], limits: &[Limit], cores: usize) -> Row {
    Row {
        key: "push.limit",
        what: "cold push, against the machine's own limit".to_owned(),
        unit: Unit::Seconds,
        fh: ours.iter().map(|transfer| transfer.wall).collect(),
        peer: Some(Peer {
            name: "limit".to_owned(),
            samples: limits
                .iter()
                .map(|limit| limit.cpu_seconds() / cores as f64)
                .collect(),
        }),
        target: None,
    }
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
