//! Which server is meant, and what kind it is: nobody is asked for what can be found out.
//!
//! 1. FlakeHub, by name, by one of its addresses, or where nothing is said and no other server is
//!    known: a profile, nothing is asked.
//! 2. `/.well-known/fh`: ours.
//! 3. Where that is not found and the address ends with a name: an attic server's cache.

use fh_client::{Error as ClientError, ServerKind, ServerUrl};

use super::profile::Site;
use crate::context::{Context, Selected};
use crate::error::CommandError;

/// Finds out what is at the address that is meant.
pub(crate) async fn recognise(
    selected: &Selected,
    context: &Context,
) -> Result<Site, CommandError> {
    let (server, kind) = match selected {
        Selected::FlakeHub(addresses) => return Ok(Site::flakehub(addresses.clone())),
        Selected::Known(entry) => (&entry.url, Some(entry.kind)),
        Selected::New(url) => (url, None),
    };
    if kind == Some(ServerKind::Attic) {
        return Ok(Site::attic(server));
    }
    let client = context.client_builder(server.clone())?.build()?;
    let not_ours = match client.discovery().await {
        Ok(discovery) => return Site::fh(server, discovery),
        Err(error @ ClientError::NotAnFhServer { .. }) if kind.is_none() => error,
        Err(error) => return Err(error.into()),
    };
    if is_attic(server, context).await? {
        return Ok(Site::attic(server));
    }
    Err(CommandError::from(not_ours))
}

/// What is known without asking anybody.
pub(crate) fn offline(selected: &Selected) -> Site {
    match selected {
        Selected::FlakeHub(addresses) => Site::flakehub(addresses.clone()),
        Selected::Known(entry) => Site::remembered(entry),
        Selected::New(url) => Site::remembered(&fh_client::ServerEntry::new(
            String::new(),
            url.clone(),
            ServerKind::Fh,
        )),
    }
}

/// An attic server's base address, and the name of the cache, which the address ends with.
pub(crate) fn attic_cache(server: &ServerUrl) -> Option<(ServerUrl, &str)> {
    let (base, cache) = server.as_str().rsplit_once('/')?;
    let is_name = cache.starts_with(|c: char| c.is_ascii_alphanumeric())
        && cache.len() <= 50
        && cache
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-+_".contains(&byte));
    // What is in front of a host is no base address.
    let base = base.parse().ok().filter(|_| !base.ends_with('/'))?;
    is_name.then_some((base, cache))
}

/// Whether an attic server answers there. Without a token it may say no more than that one is
/// needed.
async fn is_attic(server: &ServerUrl, context: &Context) -> Result<bool, CommandError> {
    let named = attic_cache(server);
    let is_named = named.is_some();
    // Any name will do to see what answers.
    let (base, cache) = named.unwrap_or_else(|| (server.clone(), "fh"));
    let client = context.client_builder(base)?.retries(0).build()?;
    let answers = matches!(
        client.attic_cache(cache).await,
        Ok(_) | Err(ClientError::Api { .. } | ClientError::Unauthorized { .. })
    );
    if answers && !is_named {
        return Err(CommandError::failed(format!(
            "{server} is an attic server: name one of its caches"
        ))
        .hint(format!(
            "Put the name of the cache after the address: `fh login --server {server}/CACHE`"
        )));
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_cache_is_the_end_of_the_address() {
        let cache = |text: &str| {
            let server: ServerUrl = text.parse().unwrap();
            attic_cache(&server).map(|(base, name)| (base.to_string(), name.to_owned()))
        };
        let is = |base: &str, name: &str| Some((base.to_owned(), name.to_owned()));
        assert_eq!(cache("https://a.org/main"), is("https://a.org", "main"));
        assert_eq!(cache("http://a.org:8/x/m-1"), is("http://a.org:8/x", "m-1"));
        assert_eq!(cache("https://a.org"), None);
        assert_eq!(cache("https://a.org/-x"), None);
        assert_eq!(cache("https://a.org/x.y"), None);
    }
}
