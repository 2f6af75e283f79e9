//! Names of what belongs to an organisation, alone or in full: `NAME` or `ORG/NAME`.

use std::str::FromStr;

use fh_api::{InvalidName, Name};
use fh_client::Client;

use super::found::Found;
use crate::context::Context;
use crate::error::CommandError;
use crate::similar::is_same_name;

/// A name that may be said alone or with its organisation.
#[derive(Debug, Clone)]
pub(crate) struct Qualified {
    pub(crate) org: Option<Name>,
    pub(crate) name: Name,
}

impl FromStr for Qualified {
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

impl Qualified {
    /// What it is to be called in the organisation that it stays in. `noun`: of what kind; `from`: what it is called; `create`: the
    /// command that makes another.
    ///
    /// # Errors
    /// Where another organisation is said.
    pub(crate) fn within(
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
        let cannot = format_args!("cannot rename the {noun} {from}");
        let found = Found::ask(cannot, client.organization(said), context)?;
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
    fn a_name_is_alone_or_in_full() {
        for (text, parsed) in [
            ("shop", Some((None, "shop"))),
            ("acme/shop", Some((Some("acme"), "shop"))),
            ("acme/", None),
            ("/shop", None),
            ("a/b/c", None),
            ("", None),
        ] {
            let found: Option<Qualified> = text.parse().ok();
            let found = found.as_ref().map(|new| {
                let org = new.org.as_ref().map(Name::as_str);
                (org, new.name.as_str())
            });
            assert_eq!(found, parsed, "{text:?}");
        }
    }
}
