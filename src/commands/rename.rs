//! `fh org rename`, `fh flake rename`, `fh user rename`, `fh service-account rename`.

use std::str::FromStr;

use fh_api::{ErrorCode, InvalidName, Name};
use fh_client::Client;
use serde::Serialize;

use super::confirm::{Effect, Yes};
use super::found::Found;
use crate::context::Context;
use crate::error::CommandError;
use crate::similar::is_same_name;

/// What is renamed, and how.
pub(super) struct Renaming<'a> {
    /// What kind of thing, in words.
    pub(super) noun: &'a str,
    /// What it is called.
    pub(super) from: String,
    /// What it is going to be called.
    pub(super) to: String,
    pub(super) yes: Yes,
}

impl Renaming<'_> {
    /// Asks, renames, and says what became of the former name.
    ///
    /// # Errors
    /// Where it is not confirmed, or the server refuses.
    pub(super) fn carry_out<T: Serialize>(
        &self,
        context: &Context,
        request: impl Future<Output = fh_client::Result<T>>,
    ) -> Result<(), CommandError> {
        let Self {
            noun,
            from,
            to,
            yes,
        } = self;
        // Names are compared without regard to case.
        let is_given_up = !from.eq_ignore_ascii_case(to);
        if from != to {
            let mut what = format!("This renames the {noun} {from} to {to}.");
            if is_given_up {
                what.push_str(&format!(
                    " The name {from} keeps working, and nothing else can get it."
                ));
            }
            yes.confirm(Effect::Exposes, &what, "Rename it?", context)?;
        }
        let renamed = context
            .change(format_args!("cannot rename the {noun} {from}"), request)
            .map_err(|error| error.hint_for(ErrorCode::Conflict, "Choose another name."))?;
        context.output.done(&renamed, |_| {
            if from == to {
                format!("The {noun} is called {to} already: nothing was changed.")
            } else if is_given_up {
                format!("Renamed the {noun} {from} to {to}. The name {from} keeps working.")
            } else {
                format!("Renamed the {noun} {from} to {to}.")
            }
        })
    }
}

/// A new name of what belongs to an organisation, alone or in full: `NAME` or `ORG/NAME`.
#[derive(Debug, Clone)]
pub(super) struct NewName {
    org: Option<Name>,
    name: Name,
}

impl FromStr for NewName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (org, name) = match text.split_once('/') {
            Some((org, name)) => (Some(org.parse()?), name),
            None => (None, text),
        };
        Ok(Self {
            org,
            name: name.parse()?,
        })
    }
}

impl NewName {
    /// The name in the organisation that it stays in. `noun`: of what kind; `from`: what it is called; `create`: the
    /// command that makes another.
    ///
    /// # Errors
    /// Where another organisation is said.
    pub(super) fn within(
        &self,
        org: &Name,
        (noun, from, create): (&str, &str, &str),
        client: &Client,
        context: &Context,
    ) -> Result<&Name, CommandError> {
        let Self { org: said, name } = self;
        let Some(said) = said.as_ref().filter(|said| !is_same_name(said, org)) else {
            return Ok(name);
        };
        // It may be a former name of the same.
        let found = context.ask(format_args!("cannot rename the {noun} {from}"), async {
            Found::of(client.organization(said).await)
        })?;
        if is_same_name(&found.name(said, |found| found.name.clone()), org) {
            return Ok(name);
        }
        let hint = format!("Create one there: `{create} {said}/{name}`");
        Err(CommandError::usage(format!(
            "a {noun} stays in its organisation: {from} cannot become {said}/{name}"
        ))
        .hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_name_is_one_word_or_two() {
        for (text, parsed) in [
            ("shop", Some((None, "shop"))),
            ("acme/shop", Some((Some("acme"), "shop"))),
            ("acme/", None),
            ("/shop", None),
            ("a/b/c", None),
            ("", None),
        ] {
            let found: Option<NewName> = text.parse().ok();
            let found = found.as_ref().map(|new| {
                let org = new.org.as_ref().map(Name::as_str);
                (org, new.name.as_str())
            });
            assert_eq!(found, parsed, "{text:?}");
        }
    }
}
