//! Files of this user that their own mode keeps from them.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A file or a directory that belongs to this user, who may not use it all the same.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeptOut {
    path: PathBuf,
    is_directory: bool,
    mode: u32,
}

impl KeptOut {
    /// The command that gives access back.
    pub(crate) fn command(&self) -> String {
        let mode = if self.is_directory { "u+rwx" } else { "600" };
        format!("chmod {mode} {}", self.path.display())
    }
}

impl fmt::Display for KeptOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is yours, and its mode {:03o} does not let you read it",
            self.path.display(),
            self.mode
        )
    }
}

/// Whether an operation failed because this user may not do it.
pub(crate) fn is_denied(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// What on the way to a file belongs to this user and has a mode that keeps them out: a directory that
/// cannot be entered, or the file itself. Nothing keeps out root.
pub(crate) fn kept_out_by_mode(path: &Path) -> Option<KeptOut> {
    let user = rustix::process::geteuid();
    if user.is_root() {
        return None;
    }
    let mut way: Vec<&Path> = path.ancestors().collect();
    way.reverse();
    way.into_iter().find_map(|part| {
        // What cannot be looked at is behind a directory that was found before, or is not there.
        let metadata = std::fs::metadata(part).ok()?;
        kept_out(
            part,
            metadata.is_dir(),
            metadata.mode(),
            metadata.uid() == user.as_raw(),
        )
    })
}

fn kept_out(path: &Path, is_directory: bool, mode: u32, is_mine: bool) -> Option<KeptOut> {
    let needed = if is_directory { 0o100 } else { 0o400 };
    (is_mine && mode & needed == 0).then(|| KeptOut {
        path: path.to_owned(),
        is_directory,
        mode: mode & 0o777,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_mine_and_closed_to_me_is_opened_again() {
        for (is_directory, mode, is_mine, command) in [
            (false, 0o100_000, true, Some("chmod 600 /h/n")),
            (false, 0o100_200, true, Some("chmod 600 /h/n")),
            (false, 0o100_077, true, Some("chmod 600 /h/n")),
            (false, 0o100_400, true, None),
            (false, 0o100_000, false, None),
            (true, 0o040_600, true, Some("chmod u+rwx /h/n")),
            (true, 0o040_100, true, None),
            (true, 0o040_000, false, None),
        ] {
            let found = kept_out(Path::new("/h/n"), is_directory, mode, is_mine);
            let found = found.map(|kept_out| kept_out.command());
            assert_eq!(
                found.as_deref(),
                command,
                "{is_directory} {mode:o} {is_mine}"
            );
        }
        let said = kept_out(Path::new("/h/n"), false, 0o100_000, true).unwrap();
        assert_eq!(
            said.to_string(),
            "/h/n is yours, and its mode 000 does not let you read it"
        );
    }
}
