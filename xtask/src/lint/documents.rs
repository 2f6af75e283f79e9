//! The files of the source that the documents name are there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::sources::rust_files;

/// Documents that name files of the source.
const DOCUMENTS: &[&str] = &["README.md", "CONTRIBUTING.md", "docs"];

/// A sentence for each name of a Rust file, in code, that no file of the workspace ends with.
pub(super) fn violations(workspace: &Path) -> Result<Vec<String>> {
    let files = rust_files(workspace)?;
    let mut violations = Vec::new();
    for document in documents(workspace)? {
        let text = fs::read_to_string(&document)
            .with_context(|| format!("cannot read {}", document.display()))?;
        let document = document.strip_prefix(workspace).unwrap_or(&document);
        for (line, name) in named(&text) {
            if !files.iter().any(|file| file.ends_with(name)) {
                violations.push(format!("{}:{line}: there is no {name}", document.display()));
            }
        }
    }
    Ok(violations)
}

fn documents(workspace: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for document in DOCUMENTS {
        let path = workspace.join(document);
        if !path.is_dir() {
            found.push(path);
            continue;
        }
        for entry in fs::read_dir(&path).with_context(|| format!("cannot read {document}"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The names of Rust files that stand alone between backquotes, with their lines. Decisions of docs/decisions are
/// dated, and may name what is gone.
fn named(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().flat_map(|(index, line)| {
        let quoted = line.split('`').skip(1).step_by(2);
        quoted
            .filter(|name| name.ends_with(".rs") && !name.contains([' ', '*', '{', '…']))
            .map(move |name| (index + 1, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_found_between_backquotes() {
        let text = "In `a/b.rs` and `c.toml`,\nnot d.rs, but `e.rs` and `x::f.rs y`.\n";
        assert_eq!(
            named(text).collect::<Vec<_>>(),
            [(1, "a/b.rs"), (2, "e.rs")]
        );
    }

    #[test]
    fn what_no_file_is_called_is_named_with_its_place() {
        let workspace = tempfile::tempdir().unwrap();
        let root = workspace.path();
        for directory in ["src", "crates", "tests", "xtask", "docs"] {
            fs::create_dir(root.join(directory)).unwrap();
        }
        fs::write(root.join("src/there.rs"), "").unwrap();
        fs::write(root.join("README.md"), "See `src/there.rs`.\n").unwrap();
        fs::write(root.join("CONTRIBUTING.md"), "").unwrap();
        fs::write(root.join("docs/page.md"), "\n`there.rs`, `gone.rs`\n").unwrap();
        assert_eq!(
            violations(root).unwrap(),
            ["docs/page.md:2: there is no gone.rs"]
        );
    }
}
