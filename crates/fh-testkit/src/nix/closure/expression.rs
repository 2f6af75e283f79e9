//! A graph of store paths as a Nix expression, and its build.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::nix::{Home, Nix};

/// One store path to be built.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The name part of the store path.
    pub(super) name: String,
    /// A directory outside the store, `$source` to the script.
    pub(super) source: PathBuf,
    /// What `/bin/sh -eu` runs; `$out` is to be made, `$inputs` are the store paths of the inputs.
    pub(super) script: &'static str,
    /// Indices of nodes before this one.
    pub(super) inputs: Vec<usize>,
}

/// Tools that scripts may use, besides what every shell has built in.
const TOOLS: &[&str] = &["mkdir", "cp", "ln", "chmod", "cat"];

/// Builds all nodes and returns the store path of the last, from which the others have to be
/// reachable. `directory/result` links to it, which keeps it from being collected.
pub(super) fn build(nix: &Nix, home: &Home, nodes: &[Node], directory: &Path) -> Result<String> {
    let file = directory.join("closure.nix");
    let search_path = search_path()?;
    fs::write(&file, text(nodes, &search_path))
        .with_context(|| format!("cannot write {}", file.display()))?;
    let output = nix.run(
        "nix-build",
        home,
        [
            file.as_os_str(),
            "--out-link".as_ref(),
            directory.join("result").as_os_str(),
            "--max-jobs".as_ref(),
            "2".as_ref(),
            "--quiet".as_ref(),
        ],
    )?;
    let top = output.trim().to_owned();
    ensure!(
        top.starts_with("/nix/store/"),
        "nix-build printed {output:?}, which is no path in /nix/store"
    );
    Ok(top)
}

/// The directories of the machine that hold the builders' tools, as a `PATH`.
fn search_path() -> Result<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = TOOLS
        .iter()
        .map(|tool| {
            let program = crate::find_program(tool, &path)
                .with_context(|| format!("the builders need `{tool}`, which is not in PATH"))?;
            Ok(program.parent().unwrap_or(Path::new("/")).to_owned())
        })
        .collect::<Result<BTreeSet<_>>>()?;
    let joined = std::env::join_paths(directories)?;
    Ok(joined.to_string_lossy().into_owned())
}

/// `preferLocalBuild` keeps Nix from asking its build hook for a remote builder.
pub(super) fn text(nodes: &[Node], search_path: &str) -> String {
    let mut text = format!(
        "let\n  make = name: source: script: inputs: derivation {{\n    \
           inherit name source script inputs;\n    \
           system = builtins.currentSystem;\n    \
           builder = \"/bin/sh\";\n    \
           args = [ \"-euc\" \"eval \\\"$script\\\"\" ];\n    \
           PATH = {};\n    \
           preferLocalBuild = true;\n  }};\n",
        string(search_path)
    );
    let scripts: BTreeSet<&str> = nodes.iter().map(|node| node.script).collect();
    let scripts: Vec<&str> = scripts.into_iter().collect();
    for (index, script) in scripts.iter().enumerate() {
        let _ = writeln!(text, "  script{index} = {};", string(script));
    }
    for (index, node) in nodes.iter().enumerate() {
        let script = scripts
            .iter()
            .position(|script| *script == node.script)
            .unwrap_or_default();
        let _ = write!(
            text,
            "  path{index} = make {} {} script{script} [",
            string(&node.name),
            string(&node.source),
        );
        for input in &node.inputs {
            let _ = write!(text, " path{input}");
        }
        text.push_str(" ];\n");
    }
    let _ = writeln!(text, "in path{}", nodes.len().saturating_sub(1));
    text
}

/// A string literal of the Nix language.
fn string(value: impl AsRef<OsStr>) -> String {
    let value = value.as_ref().to_string_lossy();
    let escaped = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "\\${")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}
