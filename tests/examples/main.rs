//! The examples of help, manual and documents, typed into a shell one after the other.
//!
//! ```text
//! reader ── which examples there are: those of the manual pages, which `fh man` makes of the help of every command,
//!           and those in the fenced blocks (`console`, `sh`, `bash`) of README.md and docs/*.md
//! yaml   ── the steps of CI's jobs, which are examples too
//! held   ── the blocks of all other languages, each by what reads it
//! script ── stage.toml: what stands for names, addresses and tokens of examples, and what is done before which
//! stage  ── a server as a process, people with homes, real Nix; put back to how it was before each page
//! terminal ── where a command asks
//! ```
//!
//! An example has to end with status 0, and what a document shows below it has to be what it prints. One that cannot
//! run here has its reason before its block: `<!-- not run: REASON -->`.
//!
//! The oldest Nix that is here plays all of them, since they are for all versions, and the newest the documents again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checked;
#[path = "../nixos/mod.rs"]
mod nixos;
mod reader;
mod script;
mod stage;
mod terminal;
mod yaml;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use fh_testkit::nix::{Nix, versions};
use reader::{Example, Page};
use script::{Direction, Script};
use stage::{Outcome, Stage};

/// What a document leaves out of what is printed.
const LEFT_OUT: &str = "…";

/// Plays all pages, and fails with every example that did not do what it says. At least so many have to run.
fn play(pages: &[Page], nix: &'static Nix, least: usize) {
    let script = Script::load();
    script.check(pages);
    let Some(mut stage) = Stage::new(&script, nix) else {
        return;
    };
    let mut failures = String::new();
    let mut played = 0;
    for page in pages {
        let mut first = true;
        for example in page.examples.iter().filter(|one| one.not_run.is_none()) {
            let direction = script.direction(page, example, first);
            first = false;
            played += 1;
            if let Err(problem) = perform(&mut stage, example, &direction) {
                let _ = writeln!(failures, "{}: {}\n{problem}", example.place, example.line);
            }
        }
        stage.end_lasting();
    }
    stage.remove_built();
    assert!(failures.is_empty(), "{failures}");
    assert!(played >= least, "only {played} examples were run");
}

/// One example, with what comes before it.
fn perform(stage: &mut Stage<'_>, example: &Example, direction: &Direction) -> Result<(), String> {
    if let Some(name) = &direction.anew {
        stage.put_back(name)?;
    }
    if let Some(person) = &direction.person {
        stage.person.clone_from(person);
    }
    if !direction.server.is_empty() {
        stage.restart(&direction.server)?;
    }
    for before in &direction.run {
        let run = stage.shell("admin", &stage.filled(before));
        if run.code != Some(0) {
            return Err(format!("what comes before it failed: {before}\n{run}"));
        }
    }
    let mut typed = String::new();
    if let Some(with) = &direction.with {
        typed = format!("{}\n", stage.filled(with));
    }
    for line in example.before.iter().chain([&example.line]) {
        let _ = writeln!(typed, "{}", stage.substituted(line));
    }
    let person = stage.person.clone();
    let outcome = match &direction.until {
        Some(until) => stage.until(&person, &typed, until, direction.meanwhile.as_deref()),
        None if direction.terminal => stage.terminal(&person, &typed, direction),
        None => {
            let outcome = stage.shell(&person, &typed);
            // What asks says so where it cannot, before it does anything.
            if outcome.code == Some(2) && outcome.text.contains("terminal") {
                stage.terminal(&person, &typed, direction)
            } else {
                outcome
            }
        }
    };
    if outcome.code != Some(direction.exit) {
        return Err(format!("as {person}: {outcome}"));
    }
    shown(stage, example, &person, &outcome)
}

/// Whether what stands below an example is what it prints.
fn shown(
    stage: &Stage<'_>,
    example: &Example,
    person: &str,
    outcome: &Outcome,
) -> Result<(), String> {
    let home = stage.home(person).display().to_string();
    // Nix's netrc names hosts without their ports, and all servers are one host here.
    let plain = |line: &str| {
        let line = line.replace("$HOME", &home);
        let line = stage.without_port(&line);
        line.trim_end().to_owned()
    };
    let mut printed = outcome.text.lines().map(plain);
    let mut anywhere = false;
    for line in &example.shown {
        if line == LEFT_OUT {
            anywhere = true;
            continue;
        }
        let wanted = plain(&stage.substituted(line));
        let found = if anywhere {
            printed.any(|line| line == wanted)
        } else {
            printed.next().is_some_and(|line| line == wanted)
        };
        if !found {
            return Err(format!("it does not print {wanted:?}:\n{outcome}"));
        }
        anywhere = false;
    }
    match printed.next() {
        Some(more) if !example.shown.is_empty() && !anywhere => {
            Err(format!("it prints {more:?} too:\n{outcome}"))
        }
        _ => Ok(()),
    }
}

#[test]
fn the_examples_of_the_help_do_what_they_say() {
    play(&reader::manual(), versions().first().unwrap(), 200);
}

#[test]
fn the_examples_of_the_documents_do_what_they_say() {
    play(&reader::documents(), versions().first().unwrap(), 100);
}

#[test]
fn the_examples_of_the_documents_do_the_same_with_the_newest_nix() {
    match versions() {
        [_, .., newest] => play(&reader::documents(), newest, 100),
        _ => fh_testkit::skipped("one version of Nix is here: it plays the documents once"),
    }
}

#[test]
fn examples_are_found_wherever_they_stand() {
    let manual = ".SH OPTIONS\nfh no\n.SH EXAMPLES\n.nf\n  fh a \\*(Aqx y\\*(Aq \\\\\n    \\-\\-b\n.fi\n.nf\n  echo | fh c\n\n.fi\n\
                  .SH \"EXIT STATUS\"\n  fh no\n";
    let found = reader::examples_of_manual("fh-a", manual);
    let lines: Vec<&str> = found.iter().map(|one| one.line.as_str()).collect();
    assert_eq!(lines, ["fh a 'x y' --b", "echo | fh c"]);

    let document = "```console\n$ export A=1\n$ fh a \\\n    b\nsays this\n$ sudo fh c && nix d\n$ other\n```\n\
                    fh no\n```toml\nfh no\n```\n<!-- not run: because -->\n\n```sh\nA=1 fh e\n```\n\
                    ```bash\nnix build | fh f\n```\n```console\n$ cargo no\n```\n";
    let found = reader::examples_of_document("x.md", document);
    let told: Vec<(&str, usize, usize, Option<&str>)> = found
        .iter()
        .map(|one| {
            let why = one.not_run.as_deref();
            (one.line.as_str(), one.before.len(), one.shown.len(), why)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("fh a b", 1, 1, None),
            ("sudo fh c && nix d", 1, 0, None),
            ("A=1 fh e", 0, 0, Some("because")),
            ("nix build | fh f", 0, 0, None),
        ]
    );
    assert_eq!(found[0].place, "x.md:3");
    let places: BTreeSet<&str> = found.iter().map(|one| one.place.as_str()).collect();
    assert_eq!(places.len(), found.len());
}
