//! Is the token good for this server? Each answer that is not yes is a sentence of its own.

use fh_api::Whoami;
use fh_auth::UnverifiedTimes;
use fh_client::{Client, Error as ClientError, ServerKind, ServerUrl};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

use super::recognise::attic_cache;
use super::site::Site;
use crate::context::Context;
use crate::error::CommandError;
use crate::output::human;

/// How far the clock of a server may be behind the one that a token was made by, in seconds.
const LEEWAY: i64 = 60;

/// Whose the token is.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    /// The account, where the server says so.
    pub(crate) user: Option<String>,
    /// When the token ends, where anybody says so.
    pub(crate) expires_at: Option<OffsetDateTime>,
    /// All that our own server says.
    pub(crate) whoami: Option<Whoami>,
}

impl Identity {
    /// As our own server says.
    pub(super) fn of(whoami: Whoami) -> Self {
        Self {
            user: Some(whoami.user.to_string()),
            expires_at: Some(whoami.expires_at),
            whoami: Some(whoami),
        }
    }
}

/// Checks a token with its server, and learns what the server tells only to those who have one.
pub(super) async fn token(
    site: &mut Site,
    token: &SecretString,
    context: &Context,
) -> Result<Identity, CommandError> {
    let now = site.now.unwrap_or_else(OffsetDateTime::now_utc);
    shape(site, token, now)?;
    let client = |url| -> Result<Client, CommandError> {
        let builder = context.client_builder(url)?;
        Ok(builder.token(token.clone()).build()?)
    };
    let refused = |error: ClientError| refused(site, token, error);
    let expires_at = UnverifiedTimes::read(token.expose_secret())
        .and_then(|times| OffsetDateTime::from_unix_timestamp(times.exp?).ok());
    match site.kind {
        ServerKind::Fh => {
            let whoami = client(site.server.clone())?
                .whoami()
                .await
                .map_err(refused)?;
            Ok(Identity::of(whoami))
        }
        ServerKind::FlakeHub => {
            let client = client(site.server.clone())?;
            let status = client.flakehub_status().await.map_err(refused)?;
            Ok(Identity {
                expires_at: status
                    .as_ref()
                    .map(|status| status.expires_at)
                    .or(expires_at),
                user: status.map(|status| status.name),
                whoami: None,
            })
        }
        ServerKind::Attic => {
            let Some((base, cache)) = attic_cache(&site.server) else {
                return Err(CommandError::failed(format!(
                    "{} does not name a cache of an attic server",
                    site.server
                )));
            };
            let described = client(base)?.attic_cache(cache).await.map_err(refused)?;
            site.learn(described)?;
            Ok(Identity {
                expires_at,
                ..Identity::default()
            })
        }
    }
}

/// What can be said of a token without asking anybody. What a token says of itself is not verified;
/// it only serves to find better words, and to keep a token of another server from being sent to
/// this one.
pub(super) fn shape(
    site: &Site,
    token: &SecretString,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, CommandError> {
    let server = &site.server;
    fh_client::check_token(token)?;
    let text = token.expose_secret();
    let ours = fh_auth::read_unverified(text).ok();
    if let Some(claims) = &ours {
        let elsewhere = match &site.audience {
            Some(audience) => claims.aud != *audience,
            None => site.kind != ServerKind::Fh,
        };
        if elsewhere {
            return Err(CommandError::failed(format!(
                "this token is for another server, {}",
                claims.iss
            ))
            .hint(format!(
                "Log in there, or get a token of {server}. If the server was set up again, its earlier tokens \
                 are no longer valid."
            )));
        }
    }
    if site.kind != ServerKind::FlakeHub && text.starts_with(FLAKEHUB_PREFIX) {
        return Err(
            CommandError::failed("this token is for another server, FlakeHub")
                .hint("Log in there: `fh login --server flakehub`"),
        );
    }
    let Some(times) = UnverifiedTimes::read(text) else {
        return Ok(None);
    };
    let time = |seconds: Option<i64>| OffsetDateTime::from_unix_timestamp(seconds?).ok();
    let expires_at = time(times.exp);
    let skew = |words: &str| {
        site.clock_skew().map(|skew| {
            let direction = if skew.is_positive() { "behind" } else { "ahead of" };
            format!(
                "By the clock of this machine it is {words}: the server's clock is {} {direction} it. \
                 One of the two is wrong.",
                human::elapsed(skew.unsigned_abs())
            )
        })
    };
    let here = OffsetDateTime::now_utc();
    if let Some(end) = expires_at.filter(|&end| end <= now) {
        let error = CommandError::failed(format!(
            "this token expired at {} ({})",
            human::timestamp(end),
            human::relative(end, now)
        ));
        return Err(match skew("still valid").filter(|_| end > here) {
            Some(clocks) => error.hint(clocks),
            None => error.hint(another(site)),
        });
    }
    if let Some(begin) =
        time(times.nbf).filter(|begin| begin.unix_timestamp() > now.unix_timestamp() + LEEWAY)
    {
        let error = CommandError::failed(format!(
            "this token is not valid before {} ({})",
            human::timestamp(begin),
            human::relative(begin, now)
        ));
        return Err(error.hint(skew("already valid").unwrap_or_else(|| {
            "The clock of this machine, or of the one that created the token, is wrong.".to_owned()
        })));
    }
    Ok(expires_at)
}

/// The same where nobody is asked. What cannot be a token of this server is refused here, as nothing after it would
/// notice before Nix does.
pub(super) fn offline(
    site: &Site,
    token: &SecretString,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, CommandError> {
    let expires_at = shape(site, token, now)?;
    let server = &site.server;
    let text = fh_client::bare_token(token.expose_secret());
    let claims = fh_auth::identity::claims(text).ok();
    let (fits, form) = match site.kind {
        ServerKind::FlakeHub => (
            text.starts_with(FLAKEHUB_PREFIX) || claims.is_some(),
            "begins with flakehub1_, or is a JSON Web Token",
        ),
        ServerKind::Attic => (
            claims.is_some(),
            "is a JSON Web Token: three parts with dots between them",
        ),
        ServerKind::Fh => {
            if let Ok(ours) = fh_auth::read_unverified(text) {
                // Where the audience is known, it has been compared.
                if site.audience.is_some() || is_at(site, &ours.iss) {
                    return Ok(expires_at);
                }
                return Err(CommandError::failed(format!(
                    "this token is for another server, {}",
                    ours.iss
                ))
                .hint(format!("Log in there (`fh login --server {}`), or log in to {server} without --offline.", ours.iss)));
            }
            (
                claims.is_some_and(|claims| is_for(site, &claims)),
                "begins with fh1_, or is a workload's identity for this server",
            )
        }
    };
    if fits {
        return Ok(expires_at);
    }
    Err(
        CommandError::failed(format!("this is not a token of {server}"))
            .hint(format!("Such a token {form}. --offline checks only that.")),
    )
}

/// Whether an address is the server's, or where Nix reads from it.
fn is_at(site: &Site, address: &str) -> bool {
    let address = address.parse::<ServerUrl>().ok();
    address.is_some_and(|address| {
        address == site.server || site.substituter.as_ref() == Some(&address)
    })
}

/// Whether an identity names the server, or an organisation of it, as its audience.
fn is_for(site: &Site, claims: &serde_json::Map<String, serde_json::Value>) -> bool {
    let audiences = match claims.get("aud") {
        Some(serde_json::Value::Array(list)) => list.iter().filter_map(|it| it.as_str()).collect(),
        Some(serde_json::Value::String(one)) => vec![one.as_str()],
        _ => Vec::new(),
    };
    audiences.into_iter().any(|audience| {
        let address = audience
            .split_once("/cache/")
            .map_or(audience, |(server, _)| server);
        site.audience.as_deref() == Some(audience)
            || is_at(site, address)
            // FlakeHub's own clients name the host alone.
            || audience == site.server.host()
    })
}

/// What FlakeHub's own tokens begin with.
const FLAKEHUB_PREFIX: &str = "flakehub1_";

fn another(site: &Site) -> String {
    match (&site.token_page, site.kind) {
        (Some(page), _) => format!("Create another one: {page}"),
        (None, ServerKind::Attic) => {
            "Get another one from an administrator of the server (`atticadm make-token`)."
                .to_owned()
        }
        (None, _) => {
            "Get another one: `fh token create`, or from an administrator of the server.".to_owned()
        }
    }
}

/// The server's no, in better words where the token tells more.
fn refused(site: &Site, token: &SecretString, error: ClientError) -> CommandError {
    let server = &site.server;
    let is_ours = fh_auth::read_unverified(token.expose_secret()).is_ok();
    match (&error, site.kind) {
        (ClientError::Unauthorized { .. }, ServerKind::Fh) if !is_ours => CommandError::from(error)
            .context(format!("this is not a token of {server}"))
            .replace_hints("A token begins with fh1_ and is one long word: give all of it."),
        (ClientError::Unauthorized { .. }, _) => CommandError::from(error)
            .context(format!("{server} does not accept this token"))
            .replace_hints(another(site)),
        (
            ClientError::Api {
                status: 403 | 404, ..
            },
            ServerKind::Attic,
        ) => CommandError::from(error)
            .context(format!("{server} does not show its cache with this token"))
            .replace_hints("Check the name of the cache, and that the token may read it."),
        _ => CommandError::from(error),
    }
}
