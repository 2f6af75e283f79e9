//! What one check came to.
//!
//! Invariant: a check that failed says what mends it. There is no other way to make one than
//! [`Check::failed`], [`Check::of_error`] and [`Check::of_file`], which want it.

use std::path::Path;

use serde::Serialize;

use crate::access::Obstacle;
use crate::error::CommandError;
use crate::output::Tone;
use crate::text::printable;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Ok,
    /// It works, and is worth a thought.
    Warning,
    Failed,
    /// It could not be found out.
    Skipped,
}

impl Outcome {
    /// The word for it, and its tone.
    fn shown(self) -> (&'static str, Tone) {
        match self {
            Self::Ok => ("ok", Tone::Good),
            Self::Warning => ("warning", Tone::Attention),
            Self::Failed => ("failed", Tone::Bad),
            Self::Skipped => ("skipped", Tone::Faint),
        }
    }
}

/// One link of the chain, by the name that `fh doctor` shows: what makes findings about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Check(pub(super) &'static str);

/// One line of `fh doctor`.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    check: Check,
    outcome: Outcome,
    /// What was found, in a sentence.
    about: String,
    /// What puts it right: a command, or where to read on.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Check {
    fn found(self, outcome: Outcome, about: impl Into<String>) -> Finding {
        Finding {
            check: self,
            outcome,
            about: about.into(),
            fix: None,
        }
    }

    pub(super) fn ok(self, about: impl Into<String>) -> Finding {
        self.found(Outcome::Ok, about)
    }

    pub(super) fn warning(self, about: impl Into<String>) -> Finding {
        self.found(Outcome::Warning, about)
    }

    pub(super) fn skipped(self, about: impl Into<String>) -> Finding {
        self.found(Outcome::Skipped, about)
    }

    /// A link that is broken, and the command that mends it.
    pub(super) fn failed(self, about: impl Into<String>, fix: impl Into<String>) -> Finding {
        self.found(Outcome::Failed, about).fix(fix)
    }

    /// An error as a check that failed. What mends it is what the error hints at, and then the command
    /// `fix`.
    pub(super) fn of_error(self, error: &CommandError, fix: impl Into<String>) -> Finding {
        let mut fixes = error.hints().to_vec();
        fixes.push(fix.into());
        self.failed(error.sentence(), fixes.join(" ").replace('\n', " "))
    }

    /// A file of this machine that cannot be used. What mends it is what gives this user access, or else the command
    /// `otherwise`.
    pub(super) fn of_file(
        self,
        path: &Path,
        error: &CommandError,
        otherwise: impl Into<String>,
    ) -> Finding {
        let of_system = error.io_error();
        match of_system.and_then(|error| Obstacle::behind(path, error)) {
            Some(found) => {
                let fix = found.command().unwrap_or_else(|| otherwise.into());
                self.failed(found.to_string(), fix)
            }
            None => self.failed(error.sentence(), otherwise),
        }
    }
}

impl Finding {
    /// The same where Nix works all the same.
    pub(super) fn into_warning(mut self) -> Self {
        self.outcome = Outcome::Warning;
        self
    }

    pub(super) fn check(&self) -> Check {
        self.check
    }

    pub(super) fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Says more of what was found.
    pub(super) fn add(&mut self, sentence: &str) {
        self.about = format!("{}. {sentence}", self.about);
    }

    pub(super) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// As it is printed without colours.
    #[cfg(test)]
    pub(super) fn to_text(&self) -> String {
        self.lines(|_, word| word.to_owned())
    }

    /// The check, and what mends it below, with the outcome in its tone.
    pub(super) fn lines(&self, toned: impl Fn(Tone, &str) -> String) -> String {
        let (word, tone) = self.outcome.shown();
        let mut text = format!(
            "{} {:<12} {}\n",
            toned(tone, &format!("{word:<8}")),
            self.check.0,
            printable(&self.about)
        );
        if let Some(fix) = &self.fix {
            text.push_str(&format!("{:21} → {}\n", "", printable(fix)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_mends_it() {
        let fix = "fh login --server https://x.org";
        for (error, expected) in [
            (
                CommandError::failed("cannot reach https://x.org"),
                "failed   server       cannot reach https://x.org\n                      \
                 → fh login --server https://x.org\n",
            ),
            (
                CommandError::failed("gone").hint("Check the network."),
                "failed   server       gone\n                      \
                 → Check the network. fh login --server https://x.org\n",
            ),
        ] {
            let found = Check("server").of_error(&error, fix);
            assert_eq!(found.to_text(), expected);
        }
    }
}
