//! From the path that a person names to the file that it means.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// As many links in a row as Linux follows.
const MOST_LINKS: usize = 40;

/// Follows symbolic links to the file itself, which need not exist, nor its directory: the path by
/// which a file is best remembered.
///
/// # Errors
///
/// [`Error::Io`], [`Error::NotRegular`] for a path without a name, [`Error::LinkLoop`].
pub fn resolve(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..=MOST_LINKS {
        target = resolve_directory(&target)?;
        match std::fs::read_link(&target) {
            Ok(link) => target = directory(&target)?.join(link),
            // Not a link, or nothing there (yet).
            Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::InvalidInput => {
                return Ok(target);
            }
            Err(error) => return Err(Error::io("read", &target)(error)),
        }
    }
    Err(Error::LinkLoop {
        path: path.to_owned(),
    })
}

/// The same file, by the real path of its directory as far as that exists.
fn resolve_directory(path: &Path) -> Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(Error::NotRegular {
            path: path.to_owned(),
        });
    };
    let mut existing = directory(path)?;
    let mut missing = Vec::new();
    loop {
        let looked_at = if existing.as_os_str().is_empty() {
            Path::new(".")
        } else {
            existing
        };
        match looked_at.canonicalize() {
            Ok(mut real) => {
                real.extend(missing.iter().rev());
                real.push(name);
                return Ok(real);
            }
            Err(error) if is_absent(&error) && !is_link(existing) => {
                // `..` behind something that does not exist means nothing.
                let (Some(last), Some(parent)) = (existing.file_name(), existing.parent()) else {
                    return Err(Error::io("find", existing)(error));
                };
                missing.push(last);
                existing = parent;
            }
            Err(source) if is_link_loop(&source) => {
                return Err(Error::LinkLoop {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(Error::io("find", existing)(error)),
        }
    }
}

/// The directory of a file.
pub(super) fn directory(path: &Path) -> Result<&Path> {
    path.parent().ok_or_else(|| Error::NotRegular {
        path: path.to_owned(),
    })
}

/// Refuses a target in the store.
pub(super) fn refuse_store(path: &Path, target: &Path, store: &Path) -> Result<()> {
    if is_in_store(target, store) {
        return Err(Error::InStore {
            path: path.to_owned(),
            target: target.to_owned(),
        });
    }
    Ok(())
}

/// Whether a target is in the store, by its name or by what that name means.
pub(crate) fn is_in_store(target: &Path, store: &Path) -> bool {
    let real = store.canonicalize();
    target.starts_with(store) || real.is_ok_and(|real| target.starts_with(real))
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_symlink())
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn is_link_loop(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}
