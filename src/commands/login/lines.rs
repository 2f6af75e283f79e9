//! From which addresses of the server Nix is to read, and what each of them is to the person.
//!
//! Our own server says which: the root, or an address for each organisation where the root could not serve
//! them all. Whoever logs in may choose others; the choice is remembered for the next login.

use clap::Args;
use fh_api::{Name, SubstituterInfo};
use fh_client::{Client, Error as ClientError, Reading, ServerKind, ServerUrl};

use super::site::{Line, Site};
use crate::context::Selected;
use crate::error::{CommandError, nouns};

/// The options that choose the addresses.
#[derive(Debug, Args)]
pub(super) struct LineOptions {
    /// Read only from these organisations, in this order: names separated by commas, or '*' for the server's
    /// list
    ///
    /// If two organisations have different contents for a path, Nix takes that of the first one. The default is
    /// all your organisations, in the order in which you joined them. Later logins do the same.
    #[arg(long, value_name = "ORG,…", value_parser = organizations, conflicts_with_all = ["offline", "root"])]
    organizations: Option<Reading>,

    /// Read from the root address of the server: everything that you may read there, together
    ///
    /// It does not serve paths for which two of your organisations have different contents. Later logins do the same.
    #[arg(long, conflicts_with = "offline")]
    root: bool,

    /// Read only from this organisation, with a token that is limited to it
    #[arg(long, value_name = "ORG", conflicts_with_all = ["offline", "root", "organizations"], add = crate::completion::organizations())]
    pub(super) org: Option<Name>,
}

fn organizations(text: &str) -> Result<Reading, fh_api::InvalidName> {
    if text == "*" {
        return Ok(Reading::Usual);
    }
    let names = text.split(',').map(|name| name.trim().parse());
    Ok(Reading::Organizations(names.collect::<Result<_, _>>()?))
}

impl LineOptions {
    /// What was chosen now; none where nothing was.
    pub(super) fn chosen(&self) -> Option<Reading> {
        match &self.org {
            Some(org) => Some(Reading::Organizations(vec![org.clone()])),
            None if self.root => Some(Reading::Root),
            None => self.organizations.clone(),
        }
    }

    /// What was chosen now, else at an earlier login to the server.
    pub(super) fn reading(&self, selected: &Selected) -> Reading {
        match (self.chosen(), selected) {
            (Some(chosen), _) => chosen,
            (None, Selected::Known(entry)) => entry.reading.clone(),
            (None, _) => Reading::Usual,
        }
    }

    /// That nothing was chosen: another kind of server has no organisations.
    ///
    /// # Errors
    /// Where something was.
    pub(super) fn refuse_elsewhere(&self, site: &Site) -> Result<(), CommandError> {
        if self.chosen().is_none() || site.kind == ServerKind::Fh {
            return Ok(());
        }
        Err(CommandError::usage(format!(
            "{} is not an fh server: --org, --organizations and --root do not apply to it",
            site.server
        )))
    }
}

/// The organisations that are named; a workload acts for the first, and reads the others.
pub(super) fn named(reading: &Reading) -> &[Name] {
    match reading {
        Reading::Organizations(names) => names,
        Reading::Usual | Reading::Root => &[],
    }
}

/// Asks our own server for the addresses; a server that does not name any keeps those of the site.
pub(crate) async fn ask(
    site: &mut Site,
    client: &Client,
    reading: &Reading,
) -> Result<(), CommandError> {
    let server = site.server.clone();
    site.reading.clone_from(reading);
    match client.substituters(reading).await {
        Ok(list) => {
            let lines = list.substituters.into_iter();
            let lines = lines
                .map(|info| line(site, info))
                .collect::<Result<_, _>>()?;
            site.read_from(lines);
            Ok(())
        }
        Err(error) if is_absent(&error) => match reading {
            Reading::Usual | Reading::Root => Ok(()),
            Reading::Organizations(names) => {
                if !knows_lines(client).await? {
                    return site.read_parts(names);
                }
                let names: Vec<&str> = names.iter().map(Name::as_str).collect();
                Err(CommandError::from(error)
                    .context(format!(
                        "{server} has no organisation {} that you may read from",
                        names.join(" or ")
                    ))
                    .replace_hints(nouns::ORGANIZATIONS))
            }
        },
        Err(error) => Err(error.into()),
    }
}

/// Whether the server names addresses at all: an older one does not.
async fn knows_lines(client: &Client) -> Result<bool, CommandError> {
    match client.substituters(&Reading::Usual).await {
        Ok(_) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn is_absent(error: &ClientError) -> bool {
    error.status() == Some(404)
}

/// A line as the server says it, if the token may travel there: it must be a part of the substituter.
fn line(site: &Site, info: SubstituterInfo) -> Result<Line, CommandError> {
    let server = &site.server;
    let named = info.url.parse::<ServerUrl>();
    let url = named.map_err(|error| {
        CommandError::from(error).context(format!("{server} reports an invalid substituter"))
    })?;
    let is_part = site.substituter.as_ref().is_some_and(|substituter| {
        let rest = url.as_str().strip_prefix(substituter.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("/cache/"))
    });
    if !is_part {
        return Err(CommandError::failed(format!(
            "{server} reports a substituter that is not part of it: {url}"
        )));
    }
    let keys = info.public_keys.iter();
    Ok(Line {
        url,
        organization: info.organization,
        standing: info.standing,
        public_keys: keys
            .map(|key| super::site::public_key(server, key))
            .collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use fh_api::Standing;

    use super::*;

    const KEY: &str = "k:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";

    fn site() -> Site {
        let entry = fh_client::ServerEntry {
            substituter: Some("https://a.org".parse().unwrap()),
            ..fh_client::ServerEntry::new(
                String::new(),
                "https://a.org".parse().unwrap(),
                ServerKind::Fh,
            )
        };
        Site::remembered(&entry)
    }

    fn said(url: &str) -> Result<Line, CommandError> {
        let info = SubstituterInfo {
            url: url.to_owned(),
            organization: Some("acme".parse().unwrap()),
            standing: Some(Standing::Own),
            public_keys: vec![KEY.to_owned()],
        };
        line(&site(), info)
    }

    #[test]
    fn a_server_names_parts_of_itself_alone() {
        assert_eq!(said("https://a.org").unwrap().public_keys, [KEY]);
        let line = said("https://a.org/cache/acme").unwrap();
        assert_eq!(line.about(), "your organisation acme");
        for elsewhere in [
            "https://b.org/cache/acme",
            "https://a.org.evil/cache/acme",
            "http://a.org/cache/acme",
            "https://a.org:8443/cache/acme",
            "https://a.org/other",
            "nothing",
        ] {
            assert!(said(elsewhere).is_err(), "{elsewhere}");
        }
    }

    #[test]
    fn organisations_are_given_in_their_order() {
        let names = |text: &str| organizations(text).unwrap();
        let order = ["b".parse().unwrap(), "A".parse().unwrap()];
        assert_eq!(names("b, A"), Reading::Organizations(order.to_vec()));
        assert_eq!(names("*"), Reading::Usual);
        assert!(organizations("").is_err());
        assert!(organizations("a,,b").is_err());
        assert!(organizations("a/b").is_err());
    }
}
