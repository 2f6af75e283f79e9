//! The process environment, as far as `fh` reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use super::variables::{self, Variable};
use crate::error::CommandError;

/// A snapshot of the variables of [`variables`].
#[derive(Clone, Default)]
pub(crate) struct Environment {
    values: BTreeMap<&'static str, OsString>,
    /// Those that are set and empty: not set to `fh`, but to some other programs.
    empty: BTreeSet<&'static str>,
    /// The variable that FH_WORKLOAD_TOKEN_VARIABLE names.
    named: Option<OsString>,
}

impl fmt::Debug for Environment {
    /// Names only: one of the values may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl Environment {
    /// Reads the environment of this process.
    #[must_use]
    pub(crate) fn from_process() -> Self {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// Reads from any source, such as a map in a test.
    pub(crate) fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut values: BTreeMap<&'static str, OsString> = variables::ALL
            .iter()
            .map(|variable| variable.name)
            .chain(serve_variables())
            .filter_map(|name| Some((name, lookup(name)?)))
            .collect();
        let is_empty =
            |(name, value): (&&'static str, &OsString)| value.is_empty().then_some(*name);
        let empty = values.iter().filter_map(is_empty).collect();
        values.retain(|_, value| !value.is_empty());
        let named = values
            .get(variables::FH_WORKLOAD_TOKEN_VARIABLE.name)
            .and_then(|name| lookup(name.to_str()?))
            .filter(|value| !value.is_empty());
        Self {
            values,
            empty,
            named,
        }
    }

    /// The value of a variable that is set and not empty.
    #[must_use]
    pub(crate) fn get(&self, variable: &Variable) -> Option<&OsStr> {
        self.values.get(variable.name).map(OsString::as_os_str)
    }

    /// Whether a variable is set to nothing.
    #[must_use]
    pub(crate) fn is_empty(&self, variable: &Variable) -> bool {
        self.empty.contains(variable.name)
    }

    /// The value of the variable that FH_WORKLOAD_TOKEN_VARIABLE names.
    #[must_use]
    pub(crate) fn named_token(&self) -> Option<&OsStr> {
        self.named.as_deref()
    }

    /// The value as a path.
    #[must_use]
    pub(crate) fn path(&self, variable: &Variable) -> Option<PathBuf> {
        self.get(variable).map(PathBuf::from)
    }

    /// The value as text.
    ///
    /// # Errors
    /// A usage error where it is not UTF-8; the value is not shown.
    pub(crate) fn text(&self, variable: &Variable) -> Result<Option<&str>, CommandError> {
        self.text_of(variable.name)
    }

    /// The same of the variable that an option of `fh serve` has.
    ///
    /// # Errors
    /// A usage error where it is not UTF-8; the value is not shown.
    pub(crate) fn text_of(&self, name: &'static str) -> Result<Option<&str>, CommandError> {
        let text = self.values.get(name).map(|value| value.to_str());
        let not_utf8 = || CommandError::usage(format!("{name} is not valid UTF-8"));
        text.map(|text| text.ok_or_else(not_utf8)).transpose()
    }

    /// The value as yes or no.
    ///
    /// # Errors
    /// A usage error where it is not UTF-8.
    pub(crate) fn switch(&self, variable: &Variable) -> Result<bool, CommandError> {
        Ok(self.text(variable)?.is_some_and(|value| {
            !["0", "false", "f", "no", "n", "off"]
                .iter()
                .any(|word| value.trim().eq_ignore_ascii_case(word))
        }))
    }
}

/// The variables of `fh serve`, which stand in the table of its options.
fn serve_variables() -> impl Iterator<Item = &'static str> {
    #[cfg(feature = "server")]
    let options = fh_settings::OPTIONS.iter();
    #[cfg(feature = "server")]
    let variables = options.map(|option| option.variable);
    #[cfg(not(feature = "server"))]
    let variables = std::iter::empty();
    variables
}
