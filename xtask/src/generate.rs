//! `cargo xtask gen`: completions and man pages, which come from the definition of the command line, and
//! the OpenAPI document and the example of a configuration file, which come from the server's tables. They
//! are committed, so that packagers and readers need not run anything.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cargo::build_fh_for_tests;
use crate::{process, say};

/// Writes completions/, man/, docs/openapi.json and docs/fh-server.toml anew
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if a committed file is not what would be written
    #[arg(long)]
    check: bool,
}

/// Shells, and what their completion files are called where distributions put them.
const COMPLETIONS: &[(&str, &str)] = &[
    ("bash", "fh.bash"),
    ("zsh", "_fh"),
    ("fish", "fh.fish"),
    ("elvish", "fh.elv"),
    ("powershell", "_fh.ps1"),
];

/// Directories that hold generated files and nothing else.
const DIRECTORIES: &[&str] = &["completions", "man"];

/// Other generated files, and what `fh serve` prints them with.
const PRINTED: &[(&str, &str)] = &[
    ("docs/openapi.json", "--print-openapi"),
    ("docs/fh-server.toml", "--print-example"),
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let fh = build_fh_for_tests()?;
    if arguments.check {
        return check(&fh);
    }
    let workspace = fh_testkit::workspace();
    let generated = generate(&fh)?;
    let committed = read(workspace)?;
    for (name, content) in &generated {
        if committed.get(name) != Some(content) {
            let file = workspace.join(name);
            fs::create_dir_all(file.parent().unwrap_or(workspace))?;
            fs::write(&file, content)
                .with_context(|| format!("cannot write {}", file.display()))?;
            say::line(&format!("wrote {name}"));
        }
    }
    for name in committed
        .keys()
        .filter(|name| !generated.contains_key(*name))
    {
        fs::remove_file(workspace.join(name))?;
        say::line(&format!("removed {name}"));
    }
    Ok(())
}

/// Fails with the list of files that are not what the command line's definition says.
pub(crate) fn check(fh: &Path) -> Result<()> {
    let drifted = differences(&read(fh_testkit::workspace())?, &generate(fh)?);
    if !drifted.is_empty() {
        bail!(
            "generated files are not up to date (`cargo xtask gen` writes them anew):\n  {}",
            drifted.join("\n  ")
        );
    }
    Ok(())
}

type Files = BTreeMap<String, Vec<u8>>;

fn differences(committed: &Files, generated: &Files) -> Vec<String> {
    let mut lines: Vec<String> = generated
        .iter()
        .filter_map(|(name, content)| match committed.get(name) {
            None => Some(format!("{name}: missing")),
            Some(old) if old != content => Some(format!("{name}: differs")),
            Some(_) => None,
        })
        .collect();
    lines.extend(
        committed
            .keys()
            .filter(|name| !generated.contains_key(*name))
            .map(|name| format!("{name}: no longer generated")),
    );
    lines
}

fn generate(fh: &Path) -> Result<Files> {
    let scratch = tempfile::tempdir()?;
    let print = |arguments: &[&str]| -> Result<Vec<u8>> {
        let printed = run_fh(fh, scratch.path(), arguments)?;
        ensure!(
            !printed.is_empty(),
            "`fh {}` printed nothing",
            arguments.join(" ")
        );
        Ok(printed)
    };
    let mut files = Files::new();
    for (shell, file) in COMPLETIONS {
        files.insert(
            format!("completions/{file}"),
            print(&["completion", shell])?,
        );
    }
    for (file, option) in PRINTED {
        files.insert((*file).to_owned(), print(&["serve", option])?);
    }
    let man = scratch.path().join("man");
    fs::create_dir(&man)?;
    run_fh(fh, scratch.path(), &["man", &man.to_string_lossy()])?;
    let pages = read(scratch.path())?;
    ensure!(!pages.is_empty(), "`fh man` wrote no pages");
    files.extend(pages);
    Ok(files)
}

/// What `fh` prints, which must not depend on who generates the files.
fn run_fh(fh: &Path, home: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let mut command = Command::new(fh);
    command.env_clear().env("HOME", home).args(arguments);
    let finished = process::finish(&mut command)?;
    ensure!(
        finished.status.success(),
        "`fh {}` failed: {}",
        arguments.join(" "),
        finished.stderr.trim()
    );
    Ok(finished.stdout.into_bytes())
}

/// The generated files below `base`, by their relative names.
fn read(base: &Path) -> Result<Files> {
    let mut files = Files::new();
    for (file, _) in PRINTED {
        if let Ok(content) = fs::read(base.join(file)) {
            files.insert((*file).to_owned(), content);
        }
    }
    for directory in DIRECTORIES {
        let Ok(entries) = fs::read_dir(base.join(directory)) else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            files.insert(format!("{directory}/{name}"), fs::read(&path)?);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_drift_is_named() {
        let files = |list: &[(&str, &str)]| -> Files {
            list.iter()
                .map(|(name, content)| ((*name).to_owned(), content.as_bytes().to_vec()))
                .collect()
        };
        let committed = files(&[("a", "1"), ("b", "old"), ("gone", "")]);
        let generated = files(&[("a", "1"), ("b", "new"), ("c", "")]);
        assert_eq!(
            differences(&committed, &generated),
            ["b: differs", "c: missing", "gone: no longer generated"]
        );
        assert!(differences(&generated, &generated).is_empty());
    }
}
