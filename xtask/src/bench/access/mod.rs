//! Access control at scale: what a narinfo costs where there are 10 000 flakes, 1 000 teams, and 2 million
//! paths in their slices, to somebody who may read 5 000 of these.
//!
//! ```text
//! plan: numbers ─▶ data: a server's database, filled ─▶ stage: fh serve, and nginx with the same bytes
//!                      cold · hot · change ─▶ rows
//! ```
//!
//! Two kinds of peer: nginx, for what a narinfo costs at all; and fh itself on a path in 10 slices, or
//! with a view of 10, for how that grows.

mod absent;
mod ask;
mod change;
mod cold;
mod data;
mod former;
mod hidden;
mod hot;
mod plan;
mod rows;
mod stage;

use anyhow::Result;

use super::measure;
use super::report::{Row, Section, Unit};
use super::setting::Setting;
use super::wrk::Wrk;
pub(super) use former::against_former;
use stage::Stage;

/// Runs the benchmarks of access control.
pub(super) fn run(setting: &Setting) -> Result<Section> {
    let stage = Stage::set(setting, setting.fh())?;
    let mut notes = vec![
        "the database is generated: no slice is public; 150 paths are in all 10 000 slices, 100 in 1 000, \
         500 in 100, 5 000 in 10, the others in one"
            .to_owned(),
        "what is asked for once is asked of a server that was just started, 100 paths, one after the other \
         over one connection; the newest 5000 slices are those that got every path last"
            .to_owned(),
    ];
    let mut rows = cold::run(&stage)?;
    let (absent, told) = absent::run(&stage)?;
    rows.extend(absent);
    notes.extend(told);
    let server = stage.serve()?;
    let (hidden, told) = hidden::run(&stage, &server)?;
    rows.extend(hidden);
    notes.extend(told);
    match Wrk::find()? {
        Ok(wrk) => rows.extend(hot::run(&stage, &server, &wrk)?),
        Err(missing) => notes.push(missing),
    }
    rows.extend(change::run(&stage, &server)?);
    let pid = server.pid();
    for (key, what, bytes) in [
        (
            "access.memory",
            "peak memory of the server after all that",
            measure::so_far(pid).peak_memory,
        ),
        (
            "access.memory_own",
            "of which not the mapped database, in the end",
            measure::anonymous(pid),
        ),
    ] {
        rows.push(Row::new(key, what, Unit::Bytes, vec![bytes as f64]));
    }
    server.stop()?;
    let nginx = setting.nginx.version()?;
    stage.nginx.stop()?;
    Ok(Section {
        name: "access",
        title: format!(
            "authorised narinfos among 10 000 flakes, 1 000 teams and 2 million paths, with a view of 5 000 \
             slices where nothing else is said, against {nginx} with the same bytes as files and against \
             fewer slices; medians of {}, cold ones of {}",
            setting.runs(3),
            setting.runs(5)
        ),
        rows,
        notes,
    })
}
