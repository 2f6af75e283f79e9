//! No circles inside a crate: its files can be put in an order in which every import points down, and
//! its rooms (the modules of its root) stand in the order that docs/ARCHITECTURE.md draws.

mod graph;
mod picture;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use graph::Graph;
use picture::Floors;

/// Names that are told of one arrow.
const NAMES: usize = 4;

/// A sentence for each circle, each arrow that points up and each room that the picture lacks. `crates` are the
/// names and the roots (`lib.rs`, `main.rs`) of what is looked at.
pub(super) fn violations(workspace: &Path, crates: &[(String, String)]) -> Result<Vec<String>> {
    let page = workspace.join("docs/ARCHITECTURE.md");
    let text =
        fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let house = picture::read(&text)?;
    let mut violations = Vec::new();
    for (name, root) in crates {
        let floors = house
            .get(name)
            .with_context(|| format!("{name} is not in the picture of {}", page.display()))?;
        let graph = Graph::read(Path::new(root))?;
        let found = circles(&graph)
            .into_iter()
            .chain(strayed(&graph))
            .chain(upward(&graph, floors));
        violations.extend(found.map(|sentence| format!("{name}: {sentence}")));
    }
    Ok(violations)
}

/// Files that cannot be put in an order, each circle once with the arrows that make it.
fn circles(graph: &Graph) -> Vec<String> {
    let reached: Vec<Vec<bool>> = (0..graph.files.len())
        .map(|from| reachable(graph, from))
        .collect();
    let mut told = vec![false; graph.files.len()];
    let mut circles = Vec::new();
    for from in 0..graph.files.len() {
        let circle: Vec<usize> = (0..graph.files.len())
            .filter(|&to| reached[from][to] && reached[to][from])
            .collect();
        if circle.is_empty() || told[from] {
            continue;
        }
        circle.iter().for_each(|&file| told[file] = true);
        let arrows: Vec<String> = graph
            .arrows
            .keys()
            .filter(|(a, b)| circle.contains(a) && circle.contains(b))
            .map(|&arrow| described(graph, arrow))
            .collect();
        circles.push(format!(
            "a circle of {} files:\n    {}",
            circle.len(),
            arrows.join("\n    ")
        ));
    }
    circles
}

/// Which files can be reached from one by at least one arrow.
fn reachable(graph: &Graph, from: usize) -> Vec<bool> {
    let mut reached = vec![false; graph.files.len()];
    let mut pending = vec![from];
    while let Some(file) = pending.pop() {
        for &(_, to) in graph
            .arrows
            .range((file, 0)..(file + 1, 0))
            .map(|(key, _)| key)
        {
            if !std::mem::replace(&mut reached[to], true) {
                pending.push(to);
            }
        }
    }
    reached
}

/// Types whose methods may stand in several files, and why.
const IN_SEVERAL_FILES: &[(&str, &str)] = &[
    (
        "Caller",
        "what a caller may do with organisations, and where they read, would be a file of 900 lines",
    ),
    (
        "Client",
        "a file for each noun of the API, as the routes of the server have",
    ),
    (
        "ContentAddress",
        "a path info holds an address, and what an address proves is asked of a whole path info",
    ),
    (
        "FileStorage",
        "a file for each kind of thing that is stored; the trait of storages will have its own",
    ),
    (
        "Lookup",
        "a file for each question; it is written anew when there are two engines",
    ),
    ("NixTools", "a file for each question to Nix"),
    (
        "Planner",
        "a file for each part of an organisation; all of them add to one plan, in one order",
    ),
    (
        "Workload",
        "to find an identity, and to exchange it, are two files of many lines",
    ),
    (
        "Work",
        "a file for each file that a login changes; all of them add to one plan and one ledger",
    ),
];

/// Types whose methods stand in another file than the type.
fn strayed(graph: &Graph) -> Vec<String> {
    graph
        .strayed
        .iter()
        .filter(|(name, ..)| !IN_SEVERAL_FILES.iter().any(|(allowed, _)| allowed == name))
        .map(|(name, methods, of)| {
            format!(
                "{} has methods of {name}, which stands in {}",
                graph.files[*methods].display(),
                graph.files[*of].display()
            )
        })
        .collect()
}

/// Arrows between rooms that do not point down, and rooms that the picture and the code do not share.
fn upward(graph: &Graph, floors: &Floors) -> Vec<String> {
    let declared: BTreeMap<&str, usize> = floors
        .iter()
        .enumerate()
        .flat_map(|(floor, rooms)| rooms.iter().map(move |room| (room.as_str(), floor)))
        .collect();
    let rooms: Vec<String> = graph.files.iter().map(|file| room(file)).collect();
    let mut violations = Vec::new();
    for room in declared.keys() {
        if !rooms.iter().any(|there| there == room) {
            violations.push(format!("the picture has a room {room} that is not there"));
        }
    }
    let mut missing: Vec<&str> = rooms
        .iter()
        .skip(1)
        .map(String::as_str)
        .filter(|room| !declared.contains_key(room))
        .collect();
    missing.dedup();
    violations.extend(
        missing
            .into_iter()
            .map(|room| format!("the picture lacks the room {room}")),
    );
    for &(from, to) in graph.arrows.keys() {
        if rooms[from] == rooms[to] || from == 0 {
            continue;
        }
        // What the root defines is above everything.
        let up = match (declared.get(&*rooms[from]), declared.get(&*rooms[to])) {
            (Some(from), Some(to)) => from >= to,
            _ => to == 0,
        };
        if up {
            violations.push(format!(
                "an arrow that points up: {}",
                described(graph, (from, to))
            ));
        }
    }
    violations
}

/// The module of the root in which a file stands.
fn room(file: &Path) -> String {
    let first = file.iter().next().unwrap_or_default();
    Path::new(first)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn described(graph: &Graph, (from, to): (usize, usize)) -> String {
    let names = &graph.arrows[&(from, to)];
    let more = match names.len().saturating_sub(NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names: Vec<&str> = names.iter().take(NAMES).map(String::as_str).collect();
    format!(
        "{} → {} ({}{more})",
        graph.files[from].display(),
        graph.files[to].display(),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests;
