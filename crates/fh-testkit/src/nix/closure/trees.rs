//! The file trees of the machine that large closures are made of.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

/// One regular file of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceFile {
    /// The file or directory that becomes the store path.
    pub(super) path: PathBuf,
    /// Where it goes below a store path.
    pub(super) relative: PathBuf,
    /// Its size in bytes.
    pub(super) bytes: u64,
}

/// The files of one tree, in the order of their paths.
pub(super) type Tree = Vec<SourceFile>;

/// What a Linux machine with a Rust toolchain has: the toolchain's libraries and programs, the
/// system's, and the sources of crates. Where that is less than `bytes` and some to choose from,
/// also the unpacked Nix versions and the toolchain's documentation.
pub(super) fn of_this_machine(bytes: u64) -> Result<Vec<Tree>> {
    let toolchain = toolchain();
    let of_toolchain = |part: &str| toolchain.as_ref().map(|toolchain| toolchain.join(part));
    let places = [
        of_toolchain("lib"),
        of_toolchain("bin"),
        Some("/usr/lib".into()),
        Some("/usr/bin".into()),
        Some("/usr/share".into()),
        Some("/usr/include".into()),
        cargo_home().map(|cargo| cargo.join("registry/src")),
    ];
    let reserve = [
        Some(crate::target().join("nix-versions")),
        of_toolchain("share"),
    ];
    let mut forest: Vec<Tree> = Vec::new();
    let mut found = 0;
    let enough = bytes + bytes / 4;
    for (index, place) in places.iter().chain(&reserve).enumerate() {
        let Some(place) = place else { continue };
        if index >= places.len() && found >= enough {
            break;
        }
        let tree = tree(place);
        found += tree.iter().map(|file| file.bytes).sum::<u64>();
        if !tree.is_empty() {
            forest.push(tree);
        }
    }
    ensure!(
        !forest.is_empty(),
        "this machine has no files to make a closure of: {places:?} cannot be read"
    );
    Ok(forest)
}

fn toolchain() -> Option<PathBuf> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(path.trim()))
}

fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")))
}

/// All readable regular files below `place`; links are not followed. A file with several names
/// counts once.
pub(super) fn tree(place: &Path) -> Tree {
    let mut files = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut pending = vec![place.to_owned()];
    while let Some(directory) = pending.pop() {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                pending.push(path);
            } else if metadata.is_file()
                && metadata.len() > 0
                && path.to_str().is_some()
                && (metadata.nlink() == 1 || seen.insert((metadata.dev(), metadata.ino())))
                && rustix::fs::access(&path, rustix::fs::Access::READ_OK).is_ok()
            {
                let relative = path.strip_prefix(place).unwrap_or(&path).to_owned();
                files.push(SourceFile {
                    relative,
                    bytes: metadata.len(),
                    path,
                });
            }
        }
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    files
}
