//! What belongs to an organisation, as it is named on the command line.

use clap::Args;
use fh_api::{InvalidName, Name, OrganizationRole};
use fh_client::Client;

use crate::context::Context;
use crate::error::CommandError;

/// `ORG/NAME`, as lists print it, or the two words `ORG NAME`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Scoped {
    /// The organisation and the name in it, as one word or two
    #[arg(value_name = "ORG/NAME", num_args = 1..=2, required = true, add = crate::completion::organizations())]
    words: Vec<String>,
}

/// `--org`, which is accepted too where the organisation is a word that may be left out.
#[derive(Debug, Args)]
pub(crate) struct OrgOption {
    #[arg(
        long = "org",
        id = "org-option",
        value_name = "ORG",
        hide = true,
        conflicts_with = "org"
    )]
    org: Option<Name>,
}

impl OrgOption {
    /// The organisation, whichever way it is said.
    pub(crate) fn or<'a>(&'a self, word: &'a Option<Name>) -> Option<&'a Name> {
        word.as_ref().or(self.org.as_ref())
    }
}

/// What an organisation has, or without one what all of those have in which the caller has this role or a higher
/// one; each with the name of its organisation.
///
/// # Errors
/// Those of the requests.
pub(crate) async fn of_organizations<T>(
    client: &Client,
    org: Option<&Name>,
    least: OrganizationRole,
    list: impl AsyncFn(&Name) -> fh_client::Result<Vec<T>>,
) -> fh_client::Result<Vec<(Name, T)>> {
    let orgs = match org {
        Some(org) => vec![org.clone()],
        None => {
            let all = client.organizations().await?.orgs.into_iter();
            let counted = all.filter(|org| org.role >= Some(least));
            counted.map(|org| org.name).collect()
        }
    };
    let mut found = Vec::new();
    for org in orgs {
        let listed = list(&org).await?;
        found.extend(listed.into_iter().map(|one| (org.clone(), one)));
    }
    Ok(found)
}

/// The same, asked for a list of `things`.
///
/// # Errors
/// Those of the requests.
pub(crate) fn listed<T>(
    things: &str,
    org: Option<&Name>,
    least: OrganizationRole,
    context: &Context,
    list: &impl AsyncFn(&Client, &Name) -> fh_client::Result<Vec<T>>,
) -> Result<Vec<(Name, T)>, CommandError> {
    let client = context.client_with_token()?;
    let of = org.map_or_else(String::new, |org| format!(" of {org}"));
    context.ask(
        format_args!("cannot list the {things}{of}"),
        of_organizations(&client, org, least, async |org| list(&client, org).await),
    )
}

impl Scoped {
    /// The organisation, where one is said, and the name in it.
    ///
    /// # Errors
    /// Where one of them is not a valid name.
    pub(crate) fn parse(&self) -> Result<(Option<Name>, Name), CommandError> {
        let (org, name) = match self.words.as_slice() {
            [org, name] => (Some(org.as_str()), name.as_str()),
            [word] => match word.split_once('/') {
                Some((org, name)) => (Some(org), name),
                None => (None, word.as_str()),
            },
            // clap takes one or two.
            _ => return Err(CommandError::usage("expected ORG/NAME")),
        };
        let name_of = |text: &str| {
            let parsed: Result<Name, InvalidName> = text.parse();
            parsed.map_err(CommandError::usage)
        };
        Ok((org.map(name_of).transpose()?, name_of(name)?))
    }

    /// The organisation and the name in it.
    ///
    /// # Errors
    /// Where one of them is not a valid name, or no organisation is said.
    pub(crate) fn names(&self) -> Result<(Name, Name), CommandError> {
        let (org, name) = self.parse()?;
        let missing = || {
            CommandError::usage(format!("{name} of which organisation?")).hint(format!(
                "Write it as ORG/{name}, or as two words: ORG {name}"
            ))
        };
        Ok((org.ok_or_else(missing)?, name.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Option<String> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let (org, name) = Scoped { words }.names().ok()?;
        Some(format!("{org} {name}"))
    }

    #[test]
    fn one_word_or_two_are_the_same() {
        for words in [&["acme/app"][..], &["acme", "app"]] {
            assert_eq!(names(words).as_deref(), Some("acme app"), "{words:?}");
        }
        for words in [
            &["app"][..],
            &["acme/"],
            &["/app"],
            &["acme/app", "x"],
            &["a/b/c"],
            &[""],
        ] {
            assert_eq!(names(words), None, "{words:?}");
        }
    }
}
