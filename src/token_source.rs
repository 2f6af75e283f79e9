//! Reading a token from a file or from stdin. Never from the command line, where every user of the
//! machine can see it.
//!
//! A shell gives a program the output of another one as a pipe that has a name: `--token-file <(pass show fh)` is
//! `--token-file /dev/fd/63`. Such a pipe is read like stdin, but not without end. A pipe that lies somewhere under
//! another name is no token file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use fh_client::bare_token;
use fh_conf::regular::{self, Refused};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::error::CommandError;

/// More than any token has.
const LONGEST: u64 = 64 * 1024;

/// How long a pipe may take to its end. Whoever fills it may have to type a password first.
const PIPE_PATIENCE: Duration = Duration::from_secs(120);

/// The token in a file that an argument names, or in a pipe of this process that it names.
pub(crate) fn from_argument(path: &Path) -> Result<SecretString, CommandError> {
    if is_named_pipe_of_ours(path) {
        from_pipe(path, PIPE_PATIENCE)
    } else {
        from_file(path)
    }
}

/// Whether a path names a descriptor that this process was started with, and that is a pipe.
fn is_named_pipe_of_ours(path: &Path) -> bool {
    let is_number = |number: &str| number.bytes().all(|byte| byte.is_ascii_digit());
    let is_descriptor = path.to_str().is_some_and(|text| {
        let number = ["/dev/fd/", "/proc/self/fd/"]
            .iter()
            .find_map(|directory| text.strip_prefix(directory));
        text == "/dev/stdin" || number.is_some_and(is_number)
    });
    is_descriptor
        && path
            .metadata()
            .is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// The token in a pipe that comes to its end in time. Blocks for no longer than that.
fn from_pipe(path: &Path, patience: Duration) -> Result<SecretString, CommandError> {
    let (sender, reading) = mpsc::channel();
    let pipe = path.to_owned();
    // If nobody ever writes, this thread ends with the program.
    std::thread::spawn(move || {
        // Nobody may be waiting any more.
        let _ = sender.send(File::open(&pipe).and_then(read));
    });
    match reading.recv_timeout(patience) {
        Ok(Ok(Some(token))) => Ok(token),
        Ok(Ok(None)) => Err(no_token(path)),
        Ok(Err(error)) => Err(CommandError::file("read the token in", path, error)),
        Err(_) => Err(CommandError::failed(format!(
            "no token came through {} in {} seconds",
            path.display(),
            patience.as_secs()
        ))
        .hint("Does the command that writes to it wait for something?")),
    }
}

fn no_token(path: &Path) -> CommandError {
    CommandError::failed(format!("there is no token in {}", path.display()))
}

/// The token in a file. Blanks and line ends around it do not count.
pub(crate) fn from_file(path: &Path) -> Result<SecretString, CommandError> {
    let failed = |error| {
        let is_stream = Refused::of(&error) == Some(Refused::NotRegular);
        let error = CommandError::file("read the token in", path, error);
        if is_stream {
            error.hint("From a pipe it is read as stdin: `--token-file -`.")
        } else {
            error
        }
    };
    let bytes = regular::read(path, LONGEST).map_err(failed)?;
    let bytes = Zeroizing::new(bytes.ok_or_else(|| failed(regular::missing()))?);
    token_of(&bytes)
        .map_err(failed)?
        .ok_or_else(|| no_token(path))
}

/// The token on stdin.
pub(crate) fn from_stdin() -> Result<SecretString, CommandError> {
    from_filled_stdin()?.ok_or_else(|| {
        CommandError::failed("there is no token on stdin")
            .hint("Pipe it in, or name a file: `--token-file FILE`")
    })
}

/// The token on stdin; none where it ends without one.
pub(crate) fn from_filled_stdin() -> Result<Option<SecretString>, CommandError> {
    read(io::stdin().lock()).map_err(|error| {
        CommandError::new(
            crate::error::Status::Failed,
            anyhow::Error::new(error).context("cannot read the token from stdin"),
        )
    })
}

/// A token without what is around it; none where nothing is left.
pub(crate) fn cleaned(token: &SecretString) -> Option<SecretString> {
    let token = bare_token(token.expose_secret());
    (!token.is_empty()).then(|| SecretString::from(token))
}

fn read(source: impl Read) -> io::Result<Option<SecretString>> {
    let room = usize::try_from(LONGEST).unwrap_or(usize::MAX);
    // Room for all of it at once: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(room.saturating_add(1)));
    source.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(invalid("it is longer than 64 KiB, so it is not a token"));
    }
    token_of(&bytes)
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_owned())
}

/// The token in a text; none where nothing is left without the blanks around it.
fn token_of(bytes: &[u8]) -> io::Result<Option<SecretString>> {
    let text = std::str::from_utf8(bytes).map_err(|_| invalid("it is not valid UTF-8"))?;
    let token = bare_token(text);
    Ok((!token.is_empty()).then(|| SecretString::from(token)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_without_the_blanks_around_it() {
        let token = read(&b" fh1_abc \r\n\n"[..]).unwrap().unwrap();
        assert_eq!(token.expose_secret(), "fh1_abc");
        assert!(read(&b" \n"[..]).unwrap().is_none());
        // Neither does what editors and shells leave around it.
        for text in [
            "\u{feff}fh1_abc\r\n",
            "\"fh1_abc\"",
            "'fh1_abc'\n",
            "\u{feff} \" fh1_abc \" ",
        ] {
            let token = read(text.as_bytes()).unwrap().unwrap();
            assert_eq!(token.expose_secret(), "fh1_abc", "{text:?}");
        }
        let half = read(&b"\"fh1_abc'"[..]).unwrap().unwrap();
        assert_eq!(half.expose_secret(), "\"fh1_abc'");
        assert!(read(&b"\"\""[..]).unwrap().is_none());
        assert!(read(&b"\xff"[..]).is_err());
        assert!(read(io::repeat(b'x')).is_err());
    }

    /// A pipe of this process by its name, and its end to write to.
    fn pipe() -> (std::path::PathBuf, io::PipeReader, io::PipeWriter) {
        use std::os::fd::AsRawFd as _;
        let (reader, writer) = io::pipe().unwrap();
        let name = format!("/dev/fd/{}", reader.as_raw_fd());
        (name.into(), reader, writer)
    }

    #[test]
    fn a_pipe_that_an_argument_names_is_read_to_its_end_and_not_for_ever() {
        use std::io::Write as _;
        let long = vec![b'x'; 70_000];
        for (written, expected) in [
            (&b"fh1_abc\n"[..], Ok("fh1_abc")),
            (&b"\n"[..], Err("there is no token in /dev/fd/")),
            (&b"\xff"[..], Err("not valid UTF-8")),
            (&long[..], Err("longer than 64 KiB")),
        ] {
            let (name, reader, mut writer) = pipe();
            let written = written.to_vec();
            // More than fits into a pipe; and the reader may have seen enough of it.
            let writing = std::thread::spawn(move || drop(writer.write_all(&written)));
            let token = from_argument(&name);
            drop(reader);
            writing.join().unwrap();
            match expected {
                Ok(expected) => assert_eq!(token.unwrap().expose_secret(), expected),
                Err(expected) => {
                    let said = token.unwrap_err().to_text();
                    assert!(said.contains(expected), "{said}");
                }
            }
        }
        // Somebody has it open to write to, and does not.
        let (name, _reader, _writer) = pipe();
        let said = from_pipe(&name, Duration::from_millis(50)).unwrap_err();
        let said = said.to_text();
        let expected = format!("no token came through {}", name.display());
        assert!(said.contains(&expected), "{said}");
    }

    #[test]
    fn what_only_looks_like_a_pipe_of_ours_is_read_as_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        std::fs::write(&file, "fh1_abc").unwrap();
        let opened = File::open(&file).unwrap();
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&opened);
        let linked = directory.path().join("linked");
        let (name, _reader, _writer) = pipe();
        std::os::unix::fs::symlink(&name, &linked).unwrap();
        let by_name = format!("/dev/fd/{descriptor}");
        let up = format!("/dev/fd/../fd/{descriptor}");
        for path in [file.to_str().unwrap(), &by_name, &up] {
            assert!(!is_named_pipe_of_ours(Path::new(path)), "{path}");
            let token = from_argument(Path::new(path)).unwrap();
            assert_eq!(token.expose_secret(), "fh1_abc", "{path}");
        }
        // A link to one is no argument of a shell.
        let said = from_argument(&linked).unwrap_err().to_text();
        assert!(said.contains("is not a regular file"), "{said}");
    }
}
