//! What is wrong with a file, each thing with its place: all of it is told at once, before anything is done.

use std::fmt;
use std::ops::Deref;

use serde::{Serialize, Serializer};

use crate::error::CommandError;
use crate::output::human;

/// More problems than these are counted, and not listed.
const MOST_LISTED: usize = 50;

/// A key of more characters names nothing, and may be a secret in the wrong place.
const LONGEST_KEY: usize = 70;

/// A place in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Spot {
    /// Counted from 1; 0 for what is from no file.
    pub(super) line: usize,
    /// The keys down to the value, joined by dots; empty for the whole text.
    pub(super) key: String,
}

impl Spot {
    /// The place of a key below this one.
    pub(super) fn below(&self, line: usize, key: &str) -> Self {
        let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let key = match !key.is_empty() && key.bytes().all(is_bare) {
            _ if key.chars().count() > LONGEST_KEY => "\"…\"".to_owned(),
            true => key.to_owned(),
            false => format!("{key:?}"),
        };
        let key = match self.key.as_str() {
            "" => key,
            above => format!("{above}.{key}"),
        };
        Self { line, key }
    }

    /// That something is wrong here.
    pub(super) fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem {
            spot: self.clone(),
            reason: reason.into(),
        }
    }
}

/// A sentence about a place: what is wrong there, or what is worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Problem {
    #[serde(flatten)]
    spot: Spot,
    /// Without its full stop.
    reason: String,
}

impl Problem {
    /// With the name of the file.
    pub(super) fn of(&self, file: &str) -> String {
        let Spot { line, key } = &self.spot;
        let reason = &self.reason;
        match key.as_str() {
            "" => format!("{file}:{line}: {reason}"),
            key => format!("{file}:{line}: {key}: {reason}"),
        }
    }
}

/// The error that lists all problems of a file in the order of its lines.
pub(super) fn refused(file: &str, mut problems: Vec<Problem>) -> CommandError {
    problems.sort();
    problems.dedup();
    let detail = serde_json::json!(problems);
    let error = match problems.as_slice() {
        [one] => CommandError::usage(one.of(file)),
        _ => {
            let count = problems.len();
            let problems_of = human::count(count.try_into().unwrap_or(u64::MAX), "problem");
            let mut text = format!("{file} has {problems_of}:");
            for problem in problems.iter().take(MOST_LISTED) {
                text.push('\n');
                text.push_str(&problem.of(file));
            }
            if count > MOST_LISTED {
                text.push_str(&format!("\nand {} more", count - MOST_LISTED));
            }
            CommandError::usage(text)
        }
    };
    error
        .detail("problems", detail)
        .hint("Nothing was changed. `fh help provision` shows such a file.")
}

/// What the file says, and where. Two of these are compared by what they say.
#[derive(Debug, Clone)]
pub(super) struct Said<T> {
    /// What it is called now.
    pub(super) value: T,
    pub(super) spot: Spot,
    /// What the file calls it, where that is a former name.
    pub(super) former: Option<T>,
}

impl<T> Said<T> {
    pub(super) fn at(value: T, spot: Spot) -> Self {
        Self {
            value,
            spot,
            former: None,
        }
    }
}

impl<T: Clone + PartialEq> Said<T> {
    /// The same place with the present name of what stands there.
    pub(super) fn called(&self, present: T) -> Self {
        let former = (present != self.value).then(|| self.value.clone());
        Self {
            value: present,
            spot: self.spot.clone(),
            former,
        }
    }

    /// As the file says it.
    pub(super) fn written(&self) -> &T {
        self.former.as_ref().unwrap_or(&self.value)
    }
}

/// What the server says, and no file.
impl<T> From<T> for Said<T> {
    fn from(value: T) -> Self {
        Self::at(value, Spot::default())
    }
}

impl<T> Deref for Said<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Said<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Said<T> {}

impl<T: Ord> PartialOrd for Said<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> Ord for Said<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.value.cmp(&other.value)
    }
}

impl<T: fmt::Display> fmt::Display for Said<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: Serialize> Serialize for Said<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}
