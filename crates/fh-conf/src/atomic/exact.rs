//! Carrying out a plan: exactly the change that was shown, or none.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lock::Lock;
use super::{EditOptions, Edited, LARGEST_FILE, Outcome, edit_file, private, resolve, write};
use crate::{Error, Result};

/// A lock that ends when this is dropped; see [`hold`].
#[must_use = "the lock ends when this is dropped"]
pub struct Held {
    _lock: Lock,
}

/// Holds the lock that belongs to a path, for an act that reads and writes several files: who else
/// holds it for the same path comes before or after. The path need not exist, and nothing is
/// written to it; its directory is made, with this mode, if it is missing. [`edit_file`] and its
/// like take the lock of the path that they are given, so this one must be another, such as the
/// directory of `fh` itself.
///
/// # Errors
///
/// [`Error::Locked`] after `timeout`, [`Error::Io`], [`Error::NotRegular`], [`Error::LinkLoop`].
pub fn hold(path: &Path, directory_mode: u32, timeout: Duration) -> Result<Held> {
    let (_, lock) = Lock::take_making(path, directory_mode, timeout, |_| Ok(()))?;
    Ok(Held { _lock: lock })
}

/// Puts `after` in the place of `before`, where `None` is no file: the content is exactly that of a
/// plan that a person has seen. Access is tightened as `options` say even if the content stays.
///
/// # Errors
///
/// [`Error::ChangedMeanwhile`] if the file is neither as it was nor as it is to be; else as
/// [`edit_file`]. In each case the file is as it was.
pub fn replace_exactly(
    path: &Path,
    options: &EditOptions,
    before: Option<&[u8]>,
    after: Option<&[u8]>,
) -> Result<Edited> {
    let target = resolve::resolve(path)?;
    let Some(after) = after else {
        let removed = private::remove_if(path, options, |target| {
            match write::read_regular(target, LARGEST_FILE)? {
                Some((content, _)) if Some(content.as_slice()) != before => Err(changed(target)),
                _ => Ok(()),
            }
        })?;
        return Ok(Edited {
            outcome: if removed {
                Outcome::Removed
            } else {
                Outcome::Unchanged
            },
            tightened_from: None,
            path: target,
        });
    };
    edit_file(path, options, |content| {
        if content == before || content == Some(after) {
            Ok(Some(after.to_vec()))
        } else {
            Err(changed(&target))
        }
    })
}

fn changed(target: &Path) -> Error {
    Error::ChangedMeanwhile {
        path: target.to_owned(),
    }
}

/// The directories above a file that do not exist, and so will be made with it, the uppermost
/// first.
///
/// # Errors
///
/// As [`resolve::resolve`].
pub fn missing_directories(path: &Path) -> Result<Vec<PathBuf>> {
    let target = resolve::resolve(path)?;
    let missing = target.parent().into_iter().flat_map(write::missing);
    let mut missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
    missing.reverse();
    Ok(missing)
}

/// Removes those of these directories that are empty, the last first. Those that are not, or that
/// cannot be removed, stay.
pub fn remove_empty_directories(directories: &[PathBuf]) {
    for directory in directories.iter().rev() {
        // Not recursive: it fails for a directory in which anything is.
        let _ = std::fs::remove_dir(directory);
    }
}
