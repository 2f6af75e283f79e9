//! One store path that is a single huge file.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::Closure;
use super::expression::{self, Node};
use crate::nix::{Home, Nix};

/// Smaller files are left out: the builder starts a program for each.
const PART: u64 = 1 << 20;

/// Builds one path of at least `bytes` bytes: the larger files of another closure, one behind the
/// other, over and over. It compresses as those do.
///
/// `directory` receives the link `result`, which keeps the path from being collected; remove it, and
/// then the path with [`Closure::delete`], unless so much may stay in the machine's store.
///
/// # Errors
/// When the other closure has no such files, or Nix fails.
pub fn huge(nix: &Nix, home: &Home, of: &Closure, bytes: u64, directory: &Path) -> Result<Closure> {
    let mut files = Vec::new();
    for path in &of.paths {
        collect(Path::new(path), &mut files)?;
    }
    ensure!(!files.is_empty(), "no file is large enough to be repeated");
    let stage = directory.join("stage");
    fs::create_dir_all(&stage)?;
    fs::write(stage.join("files"), list(&files, bytes))?;
    let node = Node {
        name: "huge".to_owned(),
        source: stage,
        script: CONCATENATE,
        inputs: Vec::new(),
    };
    let top = expression::build(nix, home, &[node], directory)?;
    Closure::of(nix, home, &top)
}

const CONCATENATE: &str = "\
while read -r file; do cat \"$file\"; done < \"$source/files\" > \"$out\"
";

/// Adds the large regular files in and below `path`, with their sizes, in the order of their names.
fn collect(path: &Path, files: &mut Vec<(PathBuf, u64)>) -> Result<()> {
    let metadata = path
        .symlink_metadata()
        .with_context(|| format!("cannot read {}", path.display()))?;
    if metadata.is_file() && metadata.len() >= PART {
        files.push((path.to_owned(), metadata.len()));
    } else if metadata.is_dir() {
        let mut entries = fs::read_dir(path)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        entries.sort();
        for entry in entries {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

/// One name a line, from the beginning again until there are enough bytes. Names that the builder's
/// shell would not read as they are, are left out.
fn list(files: &[(PathBuf, u64)], bytes: u64) -> String {
    let mut list = String::new();
    let mut sum = 0;
    let plain = files
        .iter()
        .filter_map(|(path, size)| Some((path.to_str()?, size)))
        .filter(|(path, _)| !path.contains('\n') && !path.ends_with([' ', '\t']));
    for (path, size) in plain.cycle() {
        if sum >= bytes {
            break;
        }
        sum += size;
        let _ = writeln!(list, "{path}");
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_repeated_until_there_are_enough_bytes() {
        let files = [("/a", 3), ("/b\nc", 1), ("/d", 4)].map(|(path, size)| (path.into(), size));
        assert_eq!(list(&files, 8), "/a\n/d\n/a\n");
        assert_eq!(list(&files, 7), "/a\n/d\n");
        assert_eq!(list(&files, 0), "");
    }

    #[test]
    fn only_large_regular_files_count() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("b");
        fs::create_dir(&below).unwrap();
        fs::write(below.join("large"), vec![0; PART as usize]).unwrap();
        fs::write(below.join("small"), b"").unwrap();
        std::os::unix::fs::symlink("b/large", directory.path().join("a")).unwrap();
        let mut files = Vec::new();
        collect(directory.path(), &mut files).unwrap();
        assert_eq!(files, [(below.join("large"), PART)]);
    }
}
