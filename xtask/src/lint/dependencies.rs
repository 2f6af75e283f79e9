//! Dependencies that nobody names: each costs time to build and has to be trusted.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A sentence for each dependency that no source of its crate names.
///
/// # Errors
/// Where the sources cannot be read.
pub(super) fn violations(metadata: &Value) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let root = manifest.parent().unwrap_or(manifest);
        let sources = sources(root)?;
        let name = package["name"].as_str().unwrap_or_default();
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let called = dependency["rename"]
                .as_str()
                .or_else(|| dependency["name"].as_str())
                .unwrap_or_default();
            if !is_named(called, &sources) {
                violations.push(format!("{name} depends on {called} and never names it"));
            }
        }
    }
    Ok(violations)
}

/// Whether a path of a source begins with the crate.
fn is_named(dependency: &str, sources: &str) -> bool {
    let name = dependency.replace('-', "_");
    sources.match_indices(&name).any(|(at, _)| {
        let before = sources[..at].chars().next_back();
        let after = &sources[at + name.len()..];
        let begins = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"');
        begins && (after.starts_with("::") || after.starts_with(';') || after.starts_with(" as "))
    })
}

/// The text of all sources of a crate, its tests and its build script.
fn sources(root: &Path) -> Result<String> {
    let mut text = String::new();
    let mut left: Vec<PathBuf> = ["src", "tests", "benches", "build.rs"]
        .map(|name| root.join(name))
        .into();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(&path).with_context(|| path.display().to_string())? {
                left.push(entry?.path());
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && path.exists() {
            text += &std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_named_where_a_path_begins_with_it() {
        for (sources, named) in [
            ("use tokio_util::task;", true),
            ("    tokio_util::sync::x()", true),
            ("use tokio_util as util;", true),
            ("use my_tokio_util::task;", false),
            ("// tokio_util is not used", false),
        ] {
            assert_eq!(is_named("tokio-util", sources), named, "{sources}");
        }
    }
}
