//! Against the `fh` of an earlier commit: whether a change has made anything slower.
//!
//! Client and server are of one commit each. Both take turns on the same machine, with the same closures.

use anyhow::Result;

use super::former_rows::{PEER, RUNS, Spent, compare};
use super::report::{Row, Section};
use super::rounds::Side;
use super::setting::Setting;
use super::{access, read, transfer};

/// Compares pushes, reads and narinfos of both versions.
pub(super) fn run(setting: &Setting) -> Result<Section> {
    let runs = setting.runs(RUNS);
    let mut rows = push(setting)?;
    rows.extend(read::against_former(setting)?);
    rows.extend(access::against_former(setting)?);
    Ok(Section {
        name: "former",
        title: format!(
            "this fh and a former one, client and server of each; medians of {runs}, in turns"
        ),
        rows,
        notes: Vec::new(),
    })
}

/// Cold pushes of a large closure, and of many small paths.
fn push(setting: &Setting) -> Result<Vec<Row>> {
    let mut all = Vec::new();
    for (keys, what, closure) in [
        (
            ["former.push", "former.push_cpu"],
            "cold push of 1.25 GiB",
            setting.large()?,
        ),
        (
            ["former.small", "former.small_cpu"],
            "cold push of 500 small paths",
            setting.many_small()?,
        ),
    ] {
        let side = |name: &str, fh| {
            Side::new(format!("{name}, {what}"), move |directory| {
                let push = transfer::push(setting, fh, closure, directory, None)?;
                Ok(Spent {
                    time: push.wall,
                    cpu: push.cpu(),
                })
            })
        };
        let sides = [side("fh", setting.fh()), side(PEER, setting.former()?)];
        all.extend(compare(setting, keys, what, sides)?);
    }
    Ok(all)
}
