//! Arguments that several commands take, and parsers for their values.

use std::num::NonZeroUsize;
use std::str::FromStr;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use fh_api::FlakePattern;

/// A parser for one of the words of a vocabulary, which the help and completions then name.
pub(crate) fn words<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    words_or(words, &[])
}

/// The same, with further words that mean one of these.
pub(crate) fn words_or<T>(
    words: &'static [&'static str],
    others: &'static [(&'static str, &'static str)],
) -> impl TypedValueParser<Value = T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let values = words.iter().map(|word| {
        let others = others.iter().filter(|(_, meant)| meant == word);
        PossibleValue::new(*word).aliases(others.map(|(other, _)| *other))
    });
    PossibleValuesParser::new(values).try_map(|word| {
        let other = others.iter().find(|(other, _)| *other == word);
        other.map_or(word.as_str(), |(_, meant)| meant).parse::<T>()
    })
}

/// What people say for `read` and `write`, of roles on flakes and of permissions of tokens: other caches call them so.
pub(crate) const OTHER_WORDS: &[(&str, &str)] = &[("pull", "read"), ("push", "write")];

/// A number of things of which there has to be one.
pub(crate) fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|_| "expected a whole number of at least 1".to_owned())
}

/// What to name where all flakes of the server cannot be meant.
pub(crate) const NO_TARGET: &str =
    "name a flake, ORG/PROJECT, or all flakes of an organisation, ORG/*";

/// A flake, or all of one organisation: what can be followed, and what roles are held on.
pub(crate) fn parse_target(text: &str) -> Result<FlakePattern, String> {
    match text.parse() {
        Ok(FlakePattern::All) => Err(NO_TARGET.to_owned()),
        Ok(pattern) => Ok(pattern),
        Err(error) => Err(error.to_string()),
    }
}

/// How every command that makes something is repeated by a script.
#[derive(Debug, Args)]
pub(crate) struct IfMissing {
    /// Succeed if it exists already
    #[arg(long = "if-missing", id = "if-missing")]
    pub(crate) set: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_told_in_words() {
        for text in ["0", "", "-1", "1.5", "many", "99999999999999999999999"] {
            let error = at_least_one(text).unwrap_err();
            assert_eq!(error, "expected a whole number of at least 1", "{text:?}");
        }
        assert_eq!(at_least_one("16").unwrap().get(), 16);
    }
}
