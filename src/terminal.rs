//! Asking on the terminal: for a secret, whatever its length, for a yes or no, for a line of text, for one of a list.
//!
//! dialoguer asks all but for the secret. A terminal in line mode takes 4095 bytes at most (1024 on macOS) and drops
//! the rest in silence, which is shorter than some tokens. So a secret is read byte by byte, with echo and signals off.
//!
//! Invariant: the terminal is put back as it was on every way out. The future holds the settings
//! from before; whoever ends it, Ctrl-C, SIGTERM or SIGHUP by [`crate::interrupt`], drops it, and that puts
//! them back. A thread of its own waits for keys, because nothing else ends a read from a terminal.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};

use dialoguer::console::Term;
use dialoguer::theme::Theme;
use dialoguer::{Input, Select};
use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use crate::error::{CommandError, Status};

/// More than any token has; what is longer was pasted by mistake.
const LONGEST: usize = 64 * 1024;

const CONTROL_C: u8 = 0x03;
const CONTROL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CONTROL_U: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// dialoguer hides the cursor while it shows a list.
const SHOW_CURSOR: &[u8] = b"\x1b[?25h";

/// Asks for a secret: the prompt, then one line without echo.
///
/// # Errors
/// An interruption where Ctrl-C was pressed; a failure where there is no terminal to ask on, or
/// it was closed.
pub(crate) async fn read_secret(prompt: &str) -> Result<SecretString, CommandError> {
    let terminal = open()?;
    // What was pasted behind the first line must not end up in the shell.
    let quiet = Quiet::enter(Arc::clone(&terminal), OptionalActions::Flush)
        .map_err(CommandError::asking)?;
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
        Line::Interrupted => Err(CommandError::ended(
            Status::Interrupted,
            "Nothing was changed.",
        )),
        Line::TooLong => Err(CommandError::failed(
            "what was typed is longer than 64 KiB, so it is not a token",
        )),
    }
}

/// Asks for a line of text that everybody may see. A colon is put behind the question.
///
/// # Errors
/// A failure where there is no terminal to ask on, or it was closed.
pub(crate) async fn ask(question: &str) -> Result<String, CommandError> {
    let question = question.to_owned();
    by_dialoguer(move |term| {
        let input = Input::new().with_prompt(question);
        input.allow_empty(true).interact_text_on(term)
    })
    .await
}

/// Lets the person choose one of these with the arrow keys, and gives its place in the list.
///
/// # Errors
/// A failure where there is no terminal to ask on, or it was closed.
pub(crate) async fn choose(question: &str, choices: Vec<String>) -> Result<usize, CommandError> {
    let question = question.to_owned();
    by_dialoguer(move |term| {
        let list = Select::new().with_prompt(question);
        list.items(choices).default(0).interact_on(term)
    })
    .await
}

/// Asks a question that can be answered with yes or no; Enter alone is `default`.
///
/// # Errors
/// A failure where there is no terminal to ask on, or it was closed.
pub(crate) async fn confirm(question: &str, default: bool) -> Result<bool, CommandError> {
    let choice = if default { "[Y/n]" } else { "[y/N]" };
    Ok(answered(format!("{question} {choice}"), default, false).await? == Answer::Yes)
}

/// The same of changes, where `d` shows them as a diff, and asks again. Enter alone is yes.
///
/// # Errors
/// Those of [`confirm`].
pub(crate) async fn confirm_changes(question: &str, show: &dyn Fn()) -> Result<bool, CommandError> {
    loop {
        match answered(format!("{question} [Y/n, d shows the diff]"), true, true).await? {
            Answer::Yes => return Ok(true),
            Answer::No => return Ok(false),
            Answer::Diff => show(),
        }
    }
}

/// What can be answered to a question for a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    Diff,
}

impl Answer {
    /// Only a whole word counts: who types "not yet" has not said yes.
    fn of(text: &str, has_diff: bool) -> Option<Self> {
        match text.trim().to_lowercase().as_str() {
            "y" | "yes" => Some(Self::Yes),
            "n" | "no" => Some(Self::No),
            "d" | "diff" if has_diff => Some(Self::Diff),
            _ => None,
        }
    }
}

/// Asks until the answer is one of those that there are.
async fn answered(question: String, default: bool, has_diff: bool) -> Result<Answer, CommandError> {
    by_dialoguer(move |term| {
        let known = |text: &String| match Answer::of(text, has_diff) {
            Some(_) => Ok(()),
            None => Err("answer yes or no"),
        };
        let text = Input::with_theme(&AsGiven)
            .with_prompt(&question)
            .default(if default { "yes" } else { "no" }.to_owned())
            .validate_with(known)
            .report(false)
            .interact_text_on(term)?;
        let answer = Answer::of(&text, has_diff).unwrap_or(Answer::No);
        // What follows a wish to see the diff is the same question.
        if answer != Answer::Diff {
            term.write_line(&format!("{question} {text}"))?;
        }
        Ok(answer)
    })
    .await
}

/// A question as it is worded, with the answer behind it.
struct AsGiven;

impl Theme for AsGiven {
    fn format_input_prompt(
        &self,
        f: &mut dyn fmt::Write,
        prompt: &str,
        _default: Option<&str>,
    ) -> fmt::Result {
        write!(f, "{prompt} ")
    }
}

/// Lets dialoguer ask. It reads keys in raw mode, with the cursor hidden where it shows a list, on a thread that nothing
/// ends: [`Question`] puts the terminal back.
async fn by_dialoguer<T: Send + 'static>(
    ask: impl FnOnce(&Term) -> dialoguer::Result<T> + Send + 'static,
) -> Result<T, CommandError> {
    // What was typed ahead answers the next question.
    let quiet = Quiet::enter(open()?, OptionalActions::Now).map_err(CommandError::asking)?;
    let mut question = Question {
        quiet,
        is_over: false,
    };
    let terminal = Arc::clone(&question.quiet.terminal);
    let answer = elsewhere(move || {
        let term = Term::read_write_pair(terminal.try_clone()?, terminal.try_clone()?);
        ask(&term).map_err(|dialoguer::Error::IO(error)| error)
    })
    .await;
    question.is_over = true;
    answer
}

/// A question of dialoguer's, until it is over or nobody wants to know any more.
struct Question {
    quiet: Quiet,
    is_over: bool,
}

impl Drop for Question {
    fn drop(&mut self) {
        let Quiet {
            terminal, before, ..
        } = &self.quiet;
        // Where this fails the terminal is gone.
        let _ = (&**terminal).write_all(SHOW_CURSOR);
        if !self.is_over
            && let Ok(mut left) = LEFT.lock()
        {
            *left = Some((Arc::clone(terminal), before.clone()));
        }
    }
}

/// The terminal of a question that was given up, and what it was set to before.
static LEFT: Mutex<Option<(Arc<File>, Termios)>> = Mutex::new(None);

/// Puts the terminal back once more when the program ends: the thread of a question that was given up may have read a
/// key since, and set the terminal for the next one.
pub(crate) fn put_back() {
    let left = LEFT.lock().ok().and_then(|mut left| left.take());
    if let Some((terminal, before)) = left {
        // Where this fails the terminal is gone.
        let _ = termios::tcsetattr(&*terminal, OptionalActions::Now, &before);
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

/// The terminal without echo, line mode and signals, until dropped.
struct Quiet {
    terminal: Arc<File>,
    before: Termios,
    /// What becomes of keys that nobody has read by then.
    unread: OptionalActions,
}

impl Quiet {
    fn enter(terminal: Arc<File>, unread: OptionalActions) -> io::Result<Self> {
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
        Ok(Self {
            terminal,
            before,
            unread,
        })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Where this fails the terminal is gone.
        let _ = termios::tcsetattr(self.terminal.as_fd(), self.unread, &self.before);
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
