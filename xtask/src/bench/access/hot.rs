//! Asked for again and again: answered from memory. The peer is nginx with the same bytes as files.

use std::path::PathBuf;

use anyhow::Result;

use super::super::report::{Row, Unit};
use super::super::rounds::{Side, interleaved};
use super::super::wrk::{Expected, Load, Wrk};
use super::plan::USUAL;
use super::rows::{FEW, PEER, compared};
use super::stage::{Stage, address, nowhere};
use crate::server::Server;

/// Of each run of wrk.
const SECONDS: u32 = 2;

/// Of the paths that are asked for in turn, where many are.
const MANY: usize = 2_000;

/// What is asked for.
struct Case {
    /// Of the latency over one connection, and of the rate over 64.
    keys: [&'static str; 2],
    what: &'static str,
    paths: Vec<String>,
    expected: Expected,
}

/// Hits and misses over 1 and 64 connections, against nginx; then by the holders and by the view.
pub(super) fn run(stage: &Stage<'_>, server: &Server, wrk: &Wrk) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for case in cases(stage, server)? {
        rows.extend(against_nginx(stage, server, wrk, &case)?);
    }
    rows.extend(by_holders(stage, server, wrk)?);
    rows.extend(by_view(stage, server, wrk)?);
    Ok(rows)
}

fn cases(stage: &Stage<'_>, server: &Server) -> Result<Vec<Case>> {
    let everywhere = stage.inside(10_000, MANY);
    let mut many: Vec<u32> = [10_000, 1_000, 100, 10, 1]
        .into_iter()
        .flat_map(|holders| stage.inside(holders, MANY / 5))
        .collect();
    // Not one group after the other.
    many.sort_by_key(|path| path % 97);
    stage.mirror(server, &everywhere)?;
    stage.mirror(server, &many)?;
    let addresses = |paths: &[u32]| paths.iter().copied().map(address).collect::<Vec<_>>();
    Ok(vec![
        Case {
            keys: ["access.same_1", "access.same_64"],
            what: "one path, in all slices",
            paths: addresses(&everywhere[..1]),
            expected: Expected::Found,
        },
        Case {
            keys: ["access.everywhere_1", "access.everywhere_64"],
            what: "150 paths, each in all slices",
            paths: addresses(&everywhere),
            expected: Expected::Found,
        },
        Case {
            keys: ["access.many_1", "access.many_64"],
            what: "many paths, in 1 to 10000 slices",
            paths: addresses(&many),
            expected: Expected::Found,
        },
        Case {
            keys: ["access.outside_1", "access.outside_64"],
            what: "in vain, paths outside the view",
            paths: addresses(&stage.outside(1, MANY)),
            expected: Expected::Absent,
        },
        Case {
            keys: ["access.nowhere_1", "access.nowhere_64"],
            what: "in vain, paths that are nowhere",
            paths: nowhere(100_000),
            expected: Expected::Absent,
        },
    ])
}

fn against_nginx(stage: &Stage<'_>, server: &Server, wrk: &Wrk, case: &Case) -> Result<Vec<Row>> {
    let script = stage.script(case.keys[0], USUAL, &case.paths)?;
    let (ours, theirs) = (server.url(), stage.nginx.url());
    let mut rows = Vec::new();
    for (key, connections) in case.keys.into_iter().zip([1, 64]) {
        let side = |name: &str, url: String| {
            let (script, expected) = (&script, case.expected);
            Side::new(format!("{name}, {}, {connections}", case.what), move |_| {
                wrk.run(&url, script, connections, SECONDS, expected)
            })
        };
        let sides = [side("fh", ours.clone()), side(PEER, theirs.clone())];
        let [ours, theirs] = interleaved(stage.setting, stage.setting.runs(3), sides, text)?;
        let (what, unit, value): (_, _, fn(&Load) -> f64) = match connections {
            1 => ("1 connection, latency", Unit::Seconds, |load| load.latency),
            _ => ("64 connections", Unit::PerSecond, |load| {
                load.requests_per_second
            }),
        };
        let what = format!("{}, {what}", case.what);
        let values = |loads: &[Load]| loads.iter().map(value).collect();
        rows.push(Row::new(key, what, unit, values(&ours)).against(PEER, values(&theirs)));
    }
    Ok(rows)
}

fn text(load: &Load) -> String {
    format!(
        "{}, {:.0}/s",
        Unit::Seconds.text(load.latency),
        load.requests_per_second
    )
}

/// The same view, and paths in more and more slices.
fn by_holders(stage: &Stage<'_>, server: &Server, wrk: &Wrk) -> Result<Vec<Row>> {
    let script = |holders: u32| {
        let paths = stage.inside(holders, 100);
        let paths: Vec<String> = paths.into_iter().map(address).collect();
        stage.script(&format!("in-{holders}"), USUAL, &paths)
    };
    let samples = alike(
        stage,
        server,
        wrk,
        [
            ("path in 10", script(10)?),
            ("path in 100", script(100)?),
            ("path in 1000", script(1_000)?),
            ("path in 10000", script(10_000)?),
        ],
    )?;
    Ok(compared(
        [
            "access.holders_100",
            "access.holders_1000",
            "access.holders_10000",
        ],
        |size| format!("path in {size} slices, 1 connection, latency"),
        FEW,
        &samples,
    ))
}

/// The same paths, which are in all slices, and larger and larger views.
fn by_view(stage: &Stage<'_>, server: &Server, wrk: &Wrk) -> Result<Vec<Row>> {
    let paths = stage.inside(10_000, 100);
    let paths: Vec<String> = paths.into_iter().map(address).collect();
    let script = |view| anyhow::Ok((view, stage.script("view", view, &paths)?));
    let sides = [
        script("view-10")?,
        script("view-100")?,
        script("view-1000")?,
        script(USUAL)?,
        script("view-10000")?,
    ];
    let samples = alike(stage, server, wrk, sides)?;
    Ok(compared(
        [
            "access.view_100",
            "access.view_1000",
            "access.view_5000",
            "access.view_10000",
        ],
        |size| format!("view of {size} slices, 1 connection, latency"),
        "view of 10",
        &samples,
    ))
}

/// Latencies of our server over one connection.
fn alike<const N: usize>(
    stage: &Stage<'_>,
    server: &Server,
    wrk: &Wrk,
    sides: [(&str, PathBuf); N],
) -> Result<[Vec<f64>; N]> {
    let url = server.url();
    let sides = sides.map(|(name, script)| {
        let url = url.clone();
        Side::new(name, move |_| {
            wrk.run(&url, &script, 1, SECONDS, Expected::Found)
        })
    });
    let samples = interleaved(stage.setting, stage.setting.runs(3), sides, text)?;
    Ok(samples.map(|loads| loads.iter().map(|load| load.latency).collect()))
}
