//! Reading: narinfos and NARs, asked for as Nix asks, and Nix itself. The peer is nginx with the same
//! bytes as files, the least that a web server can do.
//!
//! Both servers run all the time, and are asked in turns; both are sent the same credentials, which
//! only ours looks at.

mod copy;
mod download;
mod former;
mod stage;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::measure::Cost;
use super::report::{Row, Section, Target, Unit};
use super::rounds::{Side, interleaved};
use super::setting::Setting;
use super::wrk::{self, Expected, Load, Wrk};
use crate::say;
use download::{File, Source};
pub(super) use former::against_former;
use stage::{PEER, Stage};

/// Of each run of wrk.
const SECONDS: u32 = 3;

/// Bytes to be downloaded in a run at least, so that it takes long enough to be measured.
const DOWNLOAD: u64 = 2 << 30;

/// Runs the benchmarks of reading.
pub(super) fn run(setting: &Setting) -> Result<Section> {
    let closure = setting.large()?;
    let stage = Stage::set(setting, setting.fh(), closure)?;
    let mut rows = Vec::new();
    let mut notes = vec![format!(
        "NARs are downloaded by a client of our own that drops what it reads; the largest is {} compressed",
        say::bytes(stage.nars.first().map_or(0, |nar| nar.bytes))
    )];
    match Wrk::find()? {
        Ok(wrk) => rows.extend(narinfos(setting, &stage, &wrk)?),
        Err(missing) => notes.push(missing),
    }
    rows.extend(nars(setting, &stage)?);
    let (row, note) = copy::run(setting, &stage, closure)?;
    rows.push(row);
    notes.push(note);
    stage.strike()?;
    Ok(Section {
        name: "read",
        title: format!(
            "authorised reads over connections that stay, against {} with the same bytes as files; {} \
             narinfos asked for in turn by wrk; nix copy --from with Nix {}; medians of {}",
            setting.nginx.version()?,
            closure.paths.len(),
            setting.nix().version(),
            setting.runs(5),
        ),
        rows,
        notes,
    })
}

/// Latency over one connection, rate over sixteen.
fn narinfos(setting: &Setting, stage: &Stage<'_>, wrk: &Wrk) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let (ours, ours_root) = stage.ours();
    let (peer, peer_root) = stage.peer();
    let ours_script = script(stage, "fh.lua", &ours_root)?;
    let peer_script = script(stage, "nginx.lua", &peer_root)?;
    for connections in [1, 16] {
        let words = format!("narinfo over {connections}");
        let sides = [
            Side::new(format!("fh, {words}"), |_| {
                let server = stage.installation.server.pid();
                ask(wrk, ours, &ours_script, server, connections)
            }),
            Side::new(format!("nginx, {words}"), |_| {
                ask(wrk, peer, &peer_script, stage.nginx.pid(), connections)
            }),
        ];
        let [ours, peer] = interleaved(setting, setting.runs(5), sides, Asked::text)?;
        let row = |key, what: &str, unit, value: fn(&Asked) -> f64| {
            let values = |asked: &[Asked]| asked.iter().map(value).collect();
            Row::new(key, what, unit, values(&ours)).against(PEER, values(&peer))
        };
        if connections == 1 {
            let what = "narinfo, 1 connection, latency";
            let latency = row("read.narinfo_latency", what, Unit::Seconds, |it| {
                it.load.latency
            });
            rows.push(latency.promised(Target::RatioAtMost(1.5)));
        } else {
            let what = "narinfo, 16 connections";
            let rate = row("read.narinfo_rate", what, Unit::PerSecond, |it| {
                it.load.requests_per_second
            });
            rows.push(rate.promised(Target::RatioAtLeast(0.5)));
            let what = "the server's CPU time for a narinfo";
            rows.push(row("read.narinfo_cpu", what, Unit::Seconds, |it| it.cpu));
        }
    }
    Ok(rows)
}

/// Writes a script for wrk that asks for all narinfos below a root.
fn script(stage: &Stage<'_>, name: &str, root: &str) -> Result<PathBuf> {
    let file = stage.directory.join(name);
    let paths: Vec<String> = stage
        .narinfos
        .iter()
        .map(|name| format!("{root}{name}"))
        .collect();
    wrk::write_script(&file, &paths, &stage.authorization)?;
    Ok(file)
}

/// Asks a server, whose process this is.
fn ask(
    wrk: &Wrk,
    source: Source<'_>,
    script: &Path,
    server: u32,
    connections: usize,
) -> Result<Asked> {
    let url = format!("http://127.0.0.1:{}", source.port);
    let (load, cost) = Cost::during(server, || {
        wrk.run(&url, script, connections, SECONDS, Expected::Found)
    })?;
    Ok(Asked {
        load,
        cpu: cost.cpu / load.requests,
    })
}

/// What a run of wrk found, and what it cost the server.
struct Asked {
    load: Load,
    /// Seconds for a request.
    cpu: f64,
}

impl Asked {
    fn text(&self) -> String {
        format!(
            "{}, {:.0}/s, {} of CPU time each",
            Unit::Seconds.text(self.load.latency),
            self.load.requests_per_second,
            Unit::Seconds.text(self.cpu)
        )
    }
}

/// A large NAR and all NARs, over one connection and eight.
fn nars(setting: &Setting, stage: &Stage<'_>) -> Result<Vec<Row>> {
    let large = stage.nars.first().context("there are no NARs")?;
    let large = vec![large.clone()];
    let mut rows = Vec::new();
    for (key, what, files, connections) in [
        ("read.large_1", "one large NAR, 1 connection", &large, 1),
        ("read.large_8", "one large NAR, 8 connections", &large, 8),
        ("read.all_1", "all NARs, 1 connection", &stage.nars, 1),
        ("read.all_8", "all NARs, 8 connections", &stage.nars, 8),
    ] {
        let rate = |from| {
            let (bytes, time) = download_enough(from, files, connections)?;
            Ok(bytes as f64 / time.as_secs_f64())
        };
        let sides = [
            Side::new(format!("fh, {what}"), |_| rate(stage.ours())),
            Side::new(format!("nginx, {what}"), |_| rate(stage.peer())),
        ];
        let [ours, peer] = interleaved(setting, setting.runs(5), sides, |rate| {
            Unit::BytesPerSecond.text(*rate)
        })?;
        rows.push(
            Row::new(key, what, Unit::BytesPerSecond, ours)
                .against(PEER, peer)
                .promised(Target::RatioAtLeast(0.8)),
        );
    }
    Ok(rows)
}

/// Downloads all of these as often as it takes to be measured: how many bytes that were, and how long it took.
fn download_enough(
    (source, root): (Source<'_>, String),
    files: &[File],
    connections: usize,
) -> Result<(u64, Duration)> {
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let times = DOWNLOAD.div_ceil(bytes);
    let below = files.iter().map(|file| File {
        path: format!("{root}{}", file.path),
        bytes: file.bytes,
    });
    let all = files.len() * usize::try_from(times)?;
    let files: Vec<File> = below.cycle().take(all).collect();
    let time = download::all(source, &files, connections)?;
    Ok((bytes * times, time))
}
