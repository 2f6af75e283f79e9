//! What one check came to.

use serde::Serialize;

use crate::error::CommandError;
use crate::output::printable;

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
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One line of `fh doctor`.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) outcome: Outcome,
    /// What was found, in a sentence.
    pub(super) about: String,
    /// What puts it right: a command, or where to read on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

impl Finding {
    fn new(check: &'static str, outcome: Outcome, about: impl Into<String>) -> Self {
        Self {
            check,
            outcome,
            about: about.into(),
            fix: None,
        }
    }

    pub(super) fn ok(check: &'static str, about: impl Into<String>) -> Self {
        Self::new(check, Outcome::Ok, about)
    }

    pub(super) fn warning(check: &'static str, about: impl Into<String>) -> Self {
        Self::new(check, Outcome::Warning, about)
    }

    pub(super) fn failed(check: &'static str, about: impl Into<String>) -> Self {
        Self::new(check, Outcome::Failed, about)
    }

    pub(super) fn skipped(check: &'static str, about: impl Into<String>) -> Self {
        Self::new(check, Outcome::Skipped, about)
    }

    /// An error as a check that failed.
    pub(super) fn from_error(check: &'static str, error: &CommandError) -> Self {
        Self::failed(check, error.sentence())
    }

    pub(super) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = format!(
            "{:<8} {:<12} {}\n",
            self.outcome.as_str(),
            self.check,
            printable(&self.about)
        );
        if let Some(fix) = &self.fix {
            text.push_str(&format!("{:21} → {}\n", "", printable(fix)));
        }
        text
    }
}
