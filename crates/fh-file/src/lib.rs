//! Opening and reading files that somebody else may have replaced: only regular files, without ever waiting, and
//! never more of them than fits.
//!
//! A pipe would keep its reader waiting for a writer that never comes, a device may never end, and a directory
//! cannot be read at all. What is there instead of a regular file is named in the error ([`NotRegular`]).

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// The most bytes that are read of a file that a person writes: a configuration, a certificate, a key.
pub const LARGEST: u64 = 1 << 20;

/// Something that is no regular file; what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is {0}, and not a regular file")]
pub struct NotRegular(pub &'static str);

impl NotRegular {
    /// That of an error of this module, if it is one.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Self>().copied()
    }
}

/// Makes opening never wait, whatever is there. Reading and writing a regular file is the same with it.
pub fn never_waiting(options: &mut OpenOptions) -> &mut OpenOptions {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
}

/// The file that was opened, if it is a regular one.
///
/// # Errors
/// [`NotRegular`] where it is something else.
pub fn regular(file: File) -> io::Result<File> {
    let file_type = file.metadata()?.file_type();
    if file_type.is_file() {
        return Ok(file);
    }
    Err(io::Error::other(NotRegular(kind(file_type))))
}

/// That a regular file is there. Nothing is opened.
///
/// # Errors
/// Those of the system, and [`NotRegular`] where something else is there.
pub fn expect_regular(path: &Path) -> io::Result<()> {
    let file_type = path.metadata()?.file_type();
    if file_type.is_file() {
        return Ok(());
    }
    Err(io::Error::other(NotRegular(kind(file_type))))
}

/// Opens a regular file for reading.
///
/// # Errors
/// Those of the system, and [`NotRegular`] where something else is there.
pub fn open_regular(path: &Path) -> io::Result<File> {
    match never_waiting(OpenOptions::new().read(true)).open(path) {
        Ok(file) => regular(file),
        // A socket, or a device without a driver: the system says no more of it than that.
        Err(error) => match path.metadata() {
            Ok(metadata) if !metadata.is_file() => {
                Err(io::Error::other(NotRegular(kind(metadata.file_type()))))
            }
            _ => Err(error),
        },
    }
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`open_regular`]; and where it is larger.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open_regular(path)?
        .take(limit + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        let message = format!("it has more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(content)
}

fn kind(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        "a directory"
    } else if file_type.is_fifo() {
        "a pipe"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_a_bounded_size_are_read_and_nothing_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("file"), b"12345").unwrap();
        assert_eq!(read(&at("file"), 5).unwrap(), b"12345");
        let error = read(&at("file"), 4).unwrap_err();
        assert_eq!(error.to_string(), "it has more than 4 bytes");
        let made = std::process::Command::new("mkfifo")
            .arg(at("pipe"))
            .status();
        assert!(made.unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for (path, kind) in [
            (at("pipe"), "a pipe"),
            (at("socket"), "a socket"),
            (directory.path().to_owned(), "a directory"),
            ("/dev/zero".into(), "a device"),
        ] {
            let error = read(&path, 5).unwrap_err();
            assert_eq!(NotRegular::of(&error), Some(NotRegular(kind)), "{error}");
        }
        assert_eq!(
            read(&at("none"), 5).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
