//! From which addresses of the server Nix is to read, as the server says.
//!
//! Our own server says which: the root, or an address for each organisation where the root could not serve
//! them all. Whoever logs in may choose others; the choice is remembered for the next login.

use fh_api::{Name, SubstituterInfo};
use fh_client::{Client, Error as ClientError, Reading, ServerUrl};

use super::profile::{Line, Site, public_key};
use crate::error::{CommandError, nouns};

/// The organisations that are named; a workload acts for the first, and reads the others.
pub(crate) fn named(reading: &Reading) -> &[Name] {
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
            .map(|key| public_key(server, key))
            .collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use fh_api::Standing;
    use fh_client::ServerKind;

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
}
