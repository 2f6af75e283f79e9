//! What belongs to an organisation, as it is named on the command line.

use clap::Args;
use fh_api::{Name, OrganizationRole};
use fh_client::Client;
use serde::Serialize;

use super::qualified::Qualified;
use crate::context::Context;
use crate::error::CommandError;
use crate::output::Columns;

/// `ORG/NAME`, as lists print it, or the two words `ORG NAME`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Scoped {
    /// The organisation and the name in it, as one word or two
    #[arg(value_name = "ORG/NAME", num_args = 1..=2, required = true, add = crate::completion::organizations())]
    words: Vec<String>,
}

/// An organisation that may be left out, as a word or as `--org`.
#[derive(Debug, Args)]
pub(crate) struct OrgOrAll {
    /// The organisation [default: all of yours]
    #[arg(value_name = "ORG", add = crate::completion::organizations())]
    org: Option<Name>,

    #[arg(
        long = "org",
        id = "org-option",
        value_name = "ORG",
        hide = true,
        conflicts_with = "org"
    )]
    option: Option<Name>,
}

impl OrgOrAll {
    /// The organisation, whichever way it is said.
    pub(crate) fn org(&self) -> Option<&Name> {
        self.org.as_ref().or(self.option.as_ref())
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

/// Something that an organisation has, in a list.
#[derive(Debug, Serialize)]
pub(crate) struct Listed<T> {
    /// Where the list is not of one organisation alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Name>,
    /// The organisation that has it.
    #[serde(skip)]
    pub(crate) org: Name,
    /// What it has.
    #[serde(flatten)]
    pub(crate) one: T,
}

/// The columns that such a list begins with.
pub(crate) fn columns_of<T>(several: bool) -> Columns<Listed<T>> {
    if several {
        Columns::new().text("organization", "ORGANISATION")
    } else {
        Columns::new()
    }
}

/// What [`of_organizations`] finds, asked for a list of `things`.
///
/// # Errors
/// Those of the requests.
pub(crate) fn listed<T>(
    things: &str,
    org: Option<&Name>,
    least: OrganizationRole,
    context: &Context,
    list: &impl AsyncFn(&Client, &Name) -> fh_client::Result<Vec<T>>,
) -> Result<Vec<Listed<T>>, CommandError> {
    let client = context.client_with_token()?;
    let of = org.map_or_else(String::new, |org| format!(" of {org}"));
    let found = context.ask(
        format_args!("cannot list the {things}{of}"),
        of_organizations(&client, org, least, async |org| list(&client, org).await),
    )?;
    let found = found.into_iter().map(|(of, one)| Listed {
        organization: org.is_none().then(|| of.clone()),
        org: of,
        one,
    });
    Ok(found.collect())
}

impl Scoped {
    /// The name, with its organisation where one is said.
    ///
    /// # Errors
    /// Where one of them is not a valid name.
    pub(crate) fn parse(&self) -> Result<Qualified, CommandError> {
        let parsed = match self.words.as_slice() {
            [org, name] => org.parse().and_then(|org| {
                let name = name.parse()?;
                Ok(Qualified {
                    org: Some(org),
                    name,
                })
            }),
            [word] => word.parse(),
            // clap takes one or two.
            _ => return Err(CommandError::usage("expected ORG/NAME")),
        };
        parsed.map_err(CommandError::usage)
    }

    /// The organisation and the name in it.
    ///
    /// # Errors
    /// Where one of them is not a valid name, or no organisation is said.
    pub(crate) fn names(&self) -> Result<(Name, Name), CommandError> {
        let Qualified { org, name } = self.parse()?;
        let missing = || {
            CommandError::usage(format!("{name} of which organisation?")).hint(format!(
                "Write it as ORG/{name}, or as two words: ORG {name}"
            ))
        };
        Ok((org.ok_or_else(missing)?, name))
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
