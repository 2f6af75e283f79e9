//! Asking on the terminal: for a secret, whatever its length, and for a yes or no.
//!
//! A terminal in line mode takes 4095 bytes at most (1024 on macOS) and drops the rest in silence,
//! which is shorter than some tokens. So the line is read byte by byte, with echo and signals off.
//!
//! Invariant: the terminal is put back as it was on every way out. The future holds the settings
//! from before; whoever ends it, Ctrl-C, SIGTERM or SIGHUP by [`crate::interrupt`], drops it, and that puts
//! them back. A thread of its own waits for keys, because nothing else ends a read from a terminal.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use crate::error::CommandError;

/// More than any token has; what is longer was pasted by mistake.
const LONGEST: usize = 64 * 1024;

const CONTROL_C: u8 = 0x03;
const CONTROL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CONTROL_U: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// Asks for a secret: the prompt, then one line without echo.
///
/// # Errors
/// An interruption where Ctrl-C was pressed; a failure where there is no terminal to ask on, or
/// it was closed.
pub(crate) async fn read_secret(prompt: &str) -> Result<SecretString, CommandError> {
    let terminal = open()?;
    let quiet = Quiet::enter(Arc::clone(&terminal)).map_err(CommandError::asking)?;
    // Only now: whoever answers at once must not see the answer.
    (&*terminal)
        .write_all(prompt.as_bytes())
        .map_err(CommandError::asking)?;
    let keys = Arc::clone(&terminal);
    let line = elsewhere(move || read_line(&mut &*keys)).await;
    drop(quiet);
    // Nobody pressed Enter in the eyes of the terminal.
    (&*terminal)
        .write_all(b"\n")
        .map_err(CommandError::asking)?;
    match line? {
        Line::Entered(secret) => Ok(secret),
        Line::Interrupted => Err(CommandError::interrupted("Nothing was changed.")),
        Line::TooLong => Err(CommandError::failed(
            "what was typed is longer than 64 KiB, so it is not a token",
        )),
    }
}

/// Asks for a line of text that everybody may see.
///
/// # Errors
/// A failure where there is no terminal to ask on, or it was closed.
pub(crate) async fn ask(prompt: &str) -> Result<String, CommandError> {
    let terminal = open()?;
    (&*terminal)
        .write_all(prompt.as_bytes())
        .map_err(CommandError::asking)?;
    let keys = Arc::clone(&terminal);
    elsewhere(move || read_answer(&mut &*keys)).await
}

/// Asks a question that can be answered with yes or no; Enter alone is `default`.
///
/// # Errors
/// A failure where there is no terminal to ask on, or it was closed.
pub(crate) async fn confirm(question: &str, default: bool) -> Result<bool, CommandError> {
    let choice = if default { "[Y/n]" } else { "[y/N]" };
    ask_until(question, choice, default, None).await
}

/// The same of changes, where `d` shows them as a diff, and asks again. Enter alone is yes.
///
/// # Errors
/// Those of [`confirm`].
pub(crate) async fn confirm_changes(question: &str, show: &dyn Fn()) -> Result<bool, CommandError> {
    let choice = "[Y/n, d shows the diff]";
    ask_until(question, choice, true, Some(show)).await
}

/// Asks until the answer is one of the choices.
async fn ask_until(
    question: &str,
    choice: &str,
    default: bool,
    show: Option<&dyn Fn()>,
) -> Result<bool, CommandError> {
    let terminal = open()?;
    loop {
        (&*terminal)
            .write_all(format!("{question} {choice} ").as_bytes())
            .map_err(CommandError::asking)?;
        let keys = Arc::clone(&terminal);
        let answer = elsewhere(move || read_answer(&mut &*keys)).await?;
        match answer.trim().to_lowercase().as_str() {
            "" => return Ok(default),
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            "d" | "diff" => {
                if let Some(show) = show {
                    show();
                }
            }
            _ => {}
        }
    }
}

/// The terminal itself: stdin, stdout and stderr may lead elsewhere.
fn open() -> Result<Arc<File>, CommandError> {
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    terminal.map(Arc::new).map_err(CommandError::asking)
}

/// Waits for keys on a thread that may be left waiting when the program ends.
async fn elsewhere<T: Send + 'static>(
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, CommandError> {
    match tokio::task::spawn_blocking(read).await {
        Ok(answer) => answer.map_err(CommandError::asking),
        Err(error) => Err(CommandError::asking(io::Error::other(error))),
    }
}

/// One line, in line mode, which corrects and echoes it.
fn read_answer(terminal: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        match terminal.read(&mut byte) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) if byte == *b"\n" => return Ok(String::from_utf8_lossy(&line).into_owned()),
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The terminal without echo, line mode and signals, until dropped.
struct Quiet {
    terminal: Arc<File>,
    before: Termios,
}

impl Quiet {
    fn enter(terminal: Arc<File>) -> io::Result<Self> {
        let before = termios::tcgetattr(&*terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(
            LocalModes::ECHO
                | LocalModes::ECHONL
                | LocalModes::ICANON
                | LocalModes::ISIG
                | LocalModes::IEXTEN,
        );
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        termios::tcsetattr(terminal.as_fd(), OptionalActions::Now, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Flushing drops what was pasted behind the first line: it must not end up in the shell.
        // Where this fails the terminal is gone.
        let _ = termios::tcsetattr(self.terminal.as_fd(), OptionalActions::Flush, &self.before);
    }
}

enum Line {
    Entered(SecretString),
    Interrupted,
    TooLong,
}

/// Reads up to the end of a line, with the keys that correct a line.
fn read_line(input: &mut impl Read) -> io::Result<Line> {
    // Room for the longest line at once: growing would leave copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    let mut chunk = Zeroizing::new([0; 1024]);
    loop {
        let count = match input.read(chunk.as_mut_slice()) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for &byte in &chunk[..count] {
            match byte {
                b'\r' | b'\n' => return entered(&line),
                CONTROL_C => return Ok(Line::Interrupted),
                CONTROL_D if line.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
                CONTROL_D => return entered(&line),
                CONTROL_U => line.clear(),
                BACKSPACE | DELETE => {
                    // A whole character, whose first byte is the one that is no continuation.
                    while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
                }
                byte if byte < b' ' => {}
                _ if line.len() == LONGEST => return Ok(Line::TooLong),
                byte => line.push(byte),
            }
        }
    }
}

fn entered(line: &[u8]) -> io::Result<Line> {
    let text = std::str::from_utf8(line)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8"))?;
    Ok(Line::Entered(SecretString::from(text)))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn typed(bytes: &[u8]) -> Option<String> {
        match read_line(&mut &bytes[..]).unwrap() {
            Line::Entered(secret) => Some(secret.expose_secret().to_owned()),
            Line::Interrupted | Line::TooLong => None,
        }
    }

    #[test]
    fn a_line_longer_than_line_mode_allows_arrives_whole() {
        let token = "x".repeat(20_000);
        assert_eq!(typed(format!("{token}\rrest").as_bytes()), Some(token));
        assert_eq!(typed("x".repeat(LONGEST + 1).as_bytes()), None);
    }

    #[test]
    fn keys_that_correct_a_line_work() {
        assert_eq!(typed(b"ab\x7f\xc3\xa4\x7fc\n").unwrap(), "ac");
        assert_eq!(typed(b"wrong\x15right\r").unwrap(), "right");
        assert_eq!(typed(b"\x1b\x00a\x04").unwrap(), "a");
        assert_eq!(typed(b"abc\x03"), None);
        assert!(read_line(&mut &b"\x04"[..]).is_err());
        assert!(read_line(&mut &b"abc"[..]).is_err());
    }
}
