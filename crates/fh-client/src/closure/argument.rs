//! What an argument of the user's means: a store path or something to build.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use fh_nix::{StoreDir, StorePath};

use crate::error::{Error, Result};
use crate::text::safe_line;

/// As many symbolic links as Linux follows.
const MOST_LINKS: usize = 40;

/// What an argument means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// A path of the store.
    Path(StorePath),
    /// Something that nix builds.
    Installable(OsString),
}

/// Says what an argument means. `real_store_dirs` are the places where the store's files may be.
pub(super) fn classify(
    argument: &OsStr,
    store_dir: &StoreDir,
    real_store_dirs: &[PathBuf],
) -> Result<Argument> {
    let shown = || safe_line(&argument.to_string_lossy(), 200);
    if argument.as_bytes().starts_with(b"-") {
        return Err(Error::OptionLike { argument: shown() });
    }
    let path = Path::new(argument);
    if path.starts_with(store_dir.as_str()) {
        // `/nix/store/….drv^out` is built; a name in the store has no such sign.
        return if argument.as_bytes().contains(&b'^') {
            Ok(Argument::Installable(argument.to_owned()))
        } else {
            store_path(path, store_dir)
        };
    }
    if let Some(inside) = enter_store(path, store_dir, real_store_dirs)? {
        return store_path(&inside, store_dir);
    }
    if path.join("flake.nix").exists() {
        return Ok(Argument::Installable(argument.to_owned()));
    }
    if path.symlink_metadata().is_ok() {
        return Err(Error::NotInStore {
            path: path.to_owned(),
            store_dir: store_dir.to_string(),
        });
    }
    let looks_like_flake = argument
        .as_bytes()
        .iter()
        .any(|byte| matches!(byte, b'#' | b':' | b'^'));
    if looks_like_flake {
        Ok(Argument::Installable(argument.to_owned()))
    } else {
        Err(Error::NoSuchPath { argument: shown() })
    }
}

/// The store path that a path below the store directory is in.
fn store_path(path: &Path, store_dir: &StoreDir) -> Result<Argument> {
    let not_in_store = || Error::NotInStore {
        path: path.to_owned(),
        store_dir: store_dir.to_string(),
    };
    let inside = path
        .strip_prefix(store_dir.as_str())
        .map_err(|_| not_in_store())?;
    let Some(Component::Normal(base)) = inside.components().next() else {
        return Err(not_in_store());
    };
    // `..` would lead elsewhere than the first component says.
    if inside.components().any(|part| part == Component::ParentDir) {
        return Err(not_in_store());
    }
    let base = base.to_str().ok_or_else(not_in_store)?;
    base.parse().map(Argument::Path).map_err(|_| not_in_store())
}

/// Follows symbolic links until the path is below the store directory, as the store names it.
///
/// Done by hand and not by the system, because a link into a chroot store names a place that is
/// not there from the outside, and because a link *inside* a store path must not be followed out
/// of it.
fn enter_store(
    path: &Path,
    store_dir: &StoreDir,
    real_store_dirs: &[PathBuf],
) -> Result<Option<PathBuf>> {
    let failed = |source| Error::file("follow the links of", path, source);
    let absolute = std::path::absolute(path).map_err(failed)?;
    let mut links = 0;
    let mut done = PathBuf::new();
    let mut rest = components(&absolute);
    loop {
        if done.starts_with(store_dir.as_str()) && done != Path::new(store_dir.as_str()) {
            done.extend(rest);
            return Ok(Some(done));
        }
        let below_real = real_store_dirs
            .iter()
            .find_map(|real| done.strip_prefix(real).ok())
            .filter(|below| !below.as_os_str().is_empty());
        if let Some(below) = below_real {
            let mut named = Path::new(store_dir.as_str()).join(below);
            named.extend(rest);
            return Ok(Some(named));
        }
        let Some(next) = rest.pop_front() else {
            return Ok(None);
        };
        if next == ".." {
            done.pop();
            continue;
        }
        done.push(&next);
        if let Ok(target) = done.read_link() {
            links += 1;
            if links > MOST_LINKS {
                return Err(failed(std::io::Error::other(
                    "too many levels of symbolic links",
                )));
            }
            done.pop();
            let mut followed = components(&target);
            if target.is_absolute() {
                done = PathBuf::new();
            }
            followed.append(&mut rest);
            rest = followed;
        }
    }
}

fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| part.as_os_str().to_owned())
        .collect()
}
