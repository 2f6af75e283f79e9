//! A failure of a command: how it ended, why, and what to do next.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use fh_api::{ErrorCode, FlakeName, Name};
use fh_client::Error as ClientError;

use crate::access::Obstacle;
use crate::text::{CYAN, RED, printable, push_labelled};

/// How a command ended, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// 0, without a word: whoever read our output has had enough.
    Quiet,
    /// 0: help or the version was asked for.
    Information,
    /// 1: something outside failed: the server, a file, Nix.
    Failed,
    /// 2: the command line or a variable cannot be understood.
    Usage,
    /// 3: `fh status` found that there is no login that works.
    LoggedOut,
    /// 4: `fh status` could not find out.
    CannotTell,
    /// 124: the time that was given is over; as of timeout(1).
    OutOfTime,
    /// 130: Ctrl-C ended it.
    Interrupted,
    /// 143: SIGTERM ended it.
    Terminated,
    /// 129: SIGHUP ended it: the terminal was closed.
    HungUp,
}

impl Status {
    /// The process's exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Quiet | Self::Information => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::LoggedOut => 3,
            Self::CannotTell => 4,
            Self::OutOfTime => 124,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::HungUp => 129,
        }
    }
}

/// What a request named, for who looks for a slip in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    Flake(FlakeName),
    Organization(Name),
    /// An account of a person or a service.
    User(Name),
    /// A team of an organisation.
    Team(Name, Name),
    /// A trust policy of an organisation.
    Policy(Name, Name),
}

/// What is said of a failure where one comes back: [`CommandError::hint_for`] and [`CommandError::naming_user`].
pub(crate) trait Explain: Sized {
    /// Says what to do next, where the server answered with this code.
    fn hint_for(self, code: ErrorCode, hint: impl Into<String>) -> Self;

    /// Names the account that the request was about, where it named one.
    fn naming_user(self, user: Option<&Name>) -> Self;
}

impl<T> Explain for Result<T, CommandError> {
    fn hint_for(self, code: ErrorCode, hint: impl Into<String>) -> Self {
        self.map_err(|error| error.hint_for(code, hint))
    }

    fn naming_user(self, user: Option<&Name>) -> Self {
        self.map_err(|error| error.naming_user(user))
    }
}

/// Why a command did not do what it was asked.
pub(crate) struct CommandError {
    status: Status,
    error: anyhow::Error,
    hints: Vec<String>,
    named: Vec<Named>,
    details: BTreeMap<&'static str, serde_json::Value>,
}

impl CommandError {
    pub(crate) fn new(status: Status, error: impl Into<anyhow::Error>) -> Self {
        Self {
            status,
            error: error.into(),
            hints: Vec::new(),
            named: Vec::new(),
            details: BTreeMap::new(),
        }
    }

    /// A failure of something outside: the server, a file, Nix.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self::new(Status::Failed, anyhow::anyhow!("{message}"))
    }

    /// The command line, or a variable in its place, cannot be understood.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Status::Usage, anyhow::anyhow!("{message}"))
    }

    /// Ctrl-C or a signal, and what there is to know about what was not finished; empty where nothing is.
    pub(crate) fn ended(by: Status, hint: &str) -> Self {
        let what = match by {
            Status::Terminated => "ended by SIGTERM",
            Status::HungUp => "ended by SIGHUP",
            _ => "interrupted",
        };
        let error = Self::new(by, anyhow::anyhow!(what));
        if hint.is_empty() {
            error
        } else {
            error.hint(hint)
        }
    }

    /// Output could not be written. A reader that went away is no failure.
    pub(crate) fn output(error: io::Error) -> Self {
        let status = match error.kind() {
            io::ErrorKind::BrokenPipe => Status::Quiet,
            _ => Status::Failed,
        };
        Self::new(
            status,
            anyhow::Error::new(error).context("cannot write the output"),
        )
    }

    /// A file of this machine could not be used.
    pub(crate) fn file(action: &str, path: &std::path::Path, error: io::Error) -> Self {
        let text = format!("cannot {action} {}", path.display());
        let obstacle = Obstacle::behind(path, &error);
        let mut failure = Self::new(Status::Failed, anyhow::Error::new(error).context(text));
        failure.hints.extend(obstacle.map(|found| found.hint()));
        failure
    }

    /// A question could not be asked.
    pub(crate) fn asking(error: io::Error) -> Self {
        Self::new(
            Status::Failed,
            anyhow::Error::new(error).context("cannot ask on the terminal"),
        )
        .hint("Without a terminal, pass `--yes`, or a file with the token.")
    }

    /// Adds what to do next: a whole sentence, with the command where there is one.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds what to do next, unless that was said already.
    pub(crate) fn hint_once(self, hint: String) -> Self {
        if self.hints.contains(&hint) {
            return self;
        }
        self.hint(hint)
    }

    /// Adds what programs are told besides, with `--json`: a key of the failure's object and its value.
    pub(crate) fn detail(mut self, key: &'static str, value: serde_json::Value) -> Self {
        self.details.insert(key, value);
        self
    }

    /// Adds what to do before all else.
    pub(crate) fn first_hint(mut self, hint: String) -> Self {
        self.hints.insert(0, hint);
        self
    }

    /// Remembers what was named otherwise than by the address of the request.
    pub(crate) fn naming(mut self, named: Named) -> Self {
        self.named.push(named);
        self
    }

    /// The same of an account, where the request named one.
    pub(crate) fn naming_user(self, user: Option<&Name>) -> Self {
        match user {
            Some(user) => self.naming(Named::User(user.clone())),
            None => self,
        }
    }

    /// What was named otherwise than by the address of the request.
    pub(crate) fn named(&self) -> &[Named] {
        &self.named
    }

    /// Says something else about what to do next.
    pub(crate) fn replace_hints(mut self, hint: impl Into<String>) -> Self {
        self.hints.clear();
        self.hint(hint)
    }

    /// Says something else about what to do next, where the server answered with this code.
    pub(crate) fn hint_for(self, code: ErrorCode, hint: impl Into<String>) -> Self {
        let is_it = self
            .downcast_ref::<ClientError>()
            .is_some_and(|error| error.code() == Some(code));
        if is_it {
            self.replace_hints(hint)
        } else {
            self
        }
    }

    /// Puts a sentence before the error, which becomes its cause.
    pub(crate) fn context(mut self, message: impl fmt::Display) -> Self {
        self.error = self.error.context(message.to_string());
        self
    }

    /// The same failure, with another exit code.
    pub(crate) fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// The library error at its root, where there is one.
    pub(crate) fn downcast_ref<E: std::error::Error + Send + Sync + 'static>(&self) -> Option<&E> {
        self.error.downcast_ref()
    }

    /// What the operating system said, where it is the cause.
    pub(crate) fn io_error(&self) -> Option<&io::Error> {
        self.error.chain().find_map(|cause| cause.downcast_ref())
    }

    /// What there is to do next, each a sentence.
    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    /// What programs are told besides.
    pub(super) fn details(&self) -> &BTreeMap<&'static str, serde_json::Value> {
        &self.details
    }

    /// How the command ended.
    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// What happened and why, on one line.
    pub(crate) fn sentence(&self) -> String {
        let text = format!("{:#}", self.error);
        printable(&text.replace('\n', " "))
    }

    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status.code())
    }

    /// Says it on stderr, or, for help and the version, on stdout.
    pub(crate) fn report(&self, color: bool) {
        if let Some(clap) = self.downcast_ref::<clap::Error>() {
            report_clap(clap, color);
            return;
        }
        if self.status != Status::Quiet {
            // Nobody can be told where stderr is gone.
            let _ = io::stderr().write_all(self.render(color).as_bytes());
        }
    }

    /// As it stands on stderr, without colours.
    #[cfg(test)]
    pub(crate) fn to_text(&self) -> String {
        self.render(false)
    }

    pub(super) fn render(&self, color: bool) -> String {
        let mut text = String::new();
        let mut causes = self
            .error
            .chain()
            .map(|cause| printable_lines(&cause.to_string()));
        let message = causes.next().unwrap_or_default();
        push_labelled(&mut text, "Error", RED, color, &message);
        // A cause that says what was just said tells nothing new.
        let mut said = message;
        for cause in causes {
            if !said.contains(&cause) {
                push_labelled(&mut text, "Caused by", RED, color, &cause);
            }
            said = cause;
        }
        for hint in &self.hints {
            push_labelled(&mut text, "Hint", CYAN, color, &printable_lines(hint));
        }
        text
    }
}

impl fmt::Debug for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// clap's own words, with our label in front; help and version go to stdout.
fn report_clap(error: &clap::Error, color: bool) {
    let rendered = error.render();
    if !error.use_stderr() {
        // A reader of the help may go away before its end.
        let _ = error.print();
        return;
    }
    let text = if color {
        rendered.ansi().to_string()
    } else {
        rendered.to_string()
    };
    let text = match text.strip_prefix("error: ") {
        Some(rest) => format!("Error: {rest}"),
        None => text.replacen("error:", "Error:", 1),
    };
    let _ = io::stderr().write_all(text.as_bytes());
}

impl From<clap::Error> for CommandError {
    fn from(error: clap::Error) -> Self {
        let status = if error.use_stderr() {
            Status::Usage
        } else {
            Status::Information
        };
        Self::new(status, error)
    }
}
