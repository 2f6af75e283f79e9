//! Reading a token from a file or from stdin. Never from the command line, where every user of the
//! machine can see it.

use std::io::{self, Read};
use std::path::Path;

use fh_client::bare_token;
use fh_conf::regular::{self, Refused};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::error::CommandError;

/// More than any token has.
const LONGEST: u64 = 64 * 1024;

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
        .ok_or_else(|| CommandError::failed(format!("there is no token in {}", path.display())))
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
}
