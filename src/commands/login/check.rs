//! Is the token good for this server? Each answer that is not yes is a sentence of its own.

use fh_auth::UnverifiedTimes;
use fh_client::{Error as ClientError, ServerKind, ServerUrl};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

use crate::context::Context;
use crate::error::CommandError;
use crate::output::human;
use crate::site::{Identity, Site, attic_cache, base, direction};

/// How far the clock of a server may be behind the one that a token was made by, in seconds.
const LEEWAY: i64 = 60;

/// A token, and whose it is.
pub(super) struct Login {
    pub(super) token: SecretString,
    pub(super) identity: Identity,
    /// What there is to know of it.
    pub(super) warning: Option<String>,
}

/// Checks a token with its server, and learns what the server tells only to those who have one.
pub(super) async fn token(
    site: &mut Site,
    token: &SecretString,
    context: &Context,
) -> Result<Identity, CommandError> {
    let now = site.now.unwrap_or_else(OffsetDateTime::now_utc);
    shape(site, token, now)?;
    let server = &site.server;
    if site.kind == ServerKind::Attic && attic_cache(server).is_none() {
        return Err(CommandError::failed(format!(
            "{server} does not name a cache of an attic server"
        )));
    }
    let client = context.client_of(&base(site.kind, server), Some(token))?;
    let (identity, described) = Identity::ask(&client, site.kind, server, token)
        .await
        .map_err(|error| refused(site, token, error))?;
    if let Some(described) = described {
        site.learn(described)?;
    }
    Ok(identity)
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
            return Err(for_another(&claims.iss).hint(format!(
                "Log in there, or get a token of {server}. If the server was set up again, its earlier tokens \
                 are no longer valid."
            )));
        }
    }
    if site.kind != ServerKind::FlakeHub && text.starts_with(FLAKEHUB_PREFIX) {
        return Err(for_another("FlakeHub").hint("Log in there: `fh login --server flakehub`"));
    }
    let Some(times) = UnverifiedTimes::read(text) else {
        return Ok(None);
    };
    let time = |seconds: Option<i64>| OffsetDateTime::from_unix_timestamp(seconds?).ok();
    let expires_at = time(times.exp);
    let skew = |words: &str| {
        site.clock_skew().map(|skew| {
            let direction = direction(-skew);
            format!(
                "By the clock of this machine it is {words}: the server's clock is {} {direction} it. \
                 One of the two is wrong.",
                human::elapsed(skew.unsigned_abs())
            )
        })
    };
    let untimely = |what: &str, time| {
        let (at, when) = (human::timestamp(time), human::relative(time, now));
        CommandError::failed(format!("this token {what} {at} ({when})"))
    };
    if let Some(end) = expires_at.filter(|&end| end <= now) {
        let is_over_here = end <= OffsetDateTime::now_utc();
        let clocks = skew("still valid").filter(|_| !is_over_here);
        return Err(untimely("expired at", end).hint(clocks.unwrap_or_else(|| another(site))));
    }
    let is_early = |begin: &OffsetDateTime| begin.unix_timestamp() > now.unix_timestamp() + LEEWAY;
    if let Some(begin) = time(times.nbf).filter(is_early) {
        let of_clock = "The clock of this machine, or of the one that created the token, is wrong.";
        let clocks = skew("already valid").unwrap_or_else(|| of_clock.to_owned());
        return Err(untimely("is not valid before", begin).hint(clocks));
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
                return Err(for_another(&ours.iss).hint(format!(
                    "Log in there (`fh login --server {}`), or log in to {server} without --offline.",
                    ours.iss
                )));
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
    let audience = claims
        .get("aud")
        .map(std::slice::from_ref)
        .unwrap_or_default();
    let audiences = match audience {
        [serde_json::Value::Array(list)] => list,
        one => one,
    };
    let mut audiences = audiences.iter().filter_map(|it| it.as_str());
    audiences.any(|audience| {
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

fn for_another(server: &str) -> CommandError {
    CommandError::failed(format!("this token is for another server, {server}"))
}

/// Where to get another token.
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
    let is_hidden = matches!(
        error,
        ClientError::Api {
            status: 403 | 404,
            ..
        }
    );
    let (what, hint) = match (&error, site.kind) {
        (ClientError::Unauthorized { .. }, ServerKind::Fh) if !is_ours => (
            format!("this is not a token of {server}"),
            "A token begins with fh1_ and is one long word: give all of it.".to_owned(),
        ),
        (ClientError::Unauthorized { .. }, _) => (
            format!("{server} does not accept this token"),
            another(site),
        ),
        (_, ServerKind::Attic) if is_hidden => (
            format!("{server} does not show its cache with this token"),
            "Check the name of the cache, and that the token may read it.".to_owned(),
        ),
        _ => return error.into(),
    };
    CommandError::from(error).context(what).replace_hints(hint)
}
