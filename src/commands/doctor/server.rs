//! The server, and the way to it: what answers, the clocks, TLS.

use fh_client::{Error as ClientError, Reading, ServerUrl, UnreachableCause};

use super::finding::Finding;
use crate::context::{Context, FoundToken, Selected};
use crate::error::CommandError;
use crate::site::{Site, ask_for_lines, attic_cache};

/// What a server, or the way to it, did wrong, as a check that failed.
pub(super) fn from_server(
    check: &'static str,
    error: &CommandError,
    server: &ServerUrl,
) -> Finding {
    let log_in = format!("fh login --server {server}");
    match error.downcast_ref::<ClientError>() {
        // The error's own hint says no more than this command.
        Some(ClientError::Unauthorized { .. }) => Finding::failed(check, error.sentence(), log_in),
        Some(ClientError::Unreachable {
            cause: UnreachableCause::Certificate { is_unknown, .. },
            ..
        }) => Finding::failed(
            check,
            error.sentence(),
            if *is_unknown {
                format!(
                    "{log_in} --ca-file FILE   FILE has the certificate of the server or of its authority"
                )
            } else {
                "ask the server's administrator for another certificate (`fh serve --tls-certificate`)".to_owned()
            },
        ),
        Some(ClientError::Unreachable { .. } | ClientError::Status { .. }) => Finding::from_error(
            check,
            error,
            format!("curl -v {server}   shows what answers"),
        ),
        Some(client) if client.status().is_some_and(|status| status >= 500) => Finding::from_error(
            check,
            error,
            format!("curl -v {server}/readyz   shows its state"),
        ),
        _ => Finding::from_error(check, error, log_in),
    }
}

pub(super) fn clock(site: &Site) -> Option<Finding> {
    site.now?;
    Some(match site.clock_skew() {
        None => Finding::ok("clock", "this machine's clock agrees with the server's"),
        Some(skew) => {
            let ahead = if skew.is_positive() {
                "ahead of"
            } else {
                "behind"
            };
            Finding::failed(
                "clock",
                format!(
                    "this machine's clock is {} seconds {ahead} the server's: tokens look expired, or \
                     not yet valid",
                    skew.whole_seconds().abs()
                ),
                "timedatectl set-ntp true",
            )
        }
    })
}

pub(super) fn transport(site: &Site) -> Finding {
    if site.server.is_secure() {
        // That it answered says that its certificate is one that this machine trusts.
        Finding::ok("tls", "the server's certificate is trusted")
    } else if site.server.is_loopback() {
        Finding::ok("tls", "not needed: the server is on this machine")
    } else {
        Finding::warning(
            "tls",
            "the token travels unencrypted: anyone on the network path can read it",
        )
        .fix("docs/server.md, \"In front of the world\": give the server a certificate")
    }
}

/// Learns what an attic server says of the cache: its address and its key.
pub(super) async fn cache(
    context: &Context,
    site: &mut Site,
    token: Option<&FoundToken>,
) -> Result<(), CommandError> {
    let Some((base, name)) = attic_cache(&site.server) else {
        return Ok(());
    };
    let name = name.to_owned();
    let mut builder = context.client_builder(base)?;
    if let Some(found) = token {
        builder = builder.token(found.token.clone());
    }
    let described = builder.build()?.attic_cache(&name).await?;
    site.learn(described)
}

/// Learns from which addresses Nix is to read, as the next login would.
pub(super) async fn lines(
    context: &Context,
    selected: &Selected,
    site: &mut Site,
    token: Option<&FoundToken>,
) -> Result<(), CommandError> {
    let mut builder = context.client_builder(site.server.clone())?;
    if let Some(found) = token {
        builder = builder.token(found.token.clone());
    }
    let client = builder.build()?;
    let reading = match selected {
        Selected::Known(entry) => entry.reading.clone(),
        Selected::FlakeHub(_) | Selected::New(_) => Reading::Usual,
    };
    ask_for_lines(site, &client, &reading).await
}

#[cfg(test)]
mod tests {
    use fh_api::{ErrorBody, ErrorCode};

    use super::*;

    #[test]
    fn what_a_server_does_wrong_has_a_command_that_mends_it() {
        let url = || "https://x.org/api/v1/whoami".to_owned();
        let api = |status, error| ClientError::Api {
            url: url(),
            status,
            body: Box::new(ErrorBody {
                code: status,
                error,
                message: "no".to_owned(),
                request_id: None,
            }),
        };
        let unreachable = |cause| ClientError::Unreachable { url: url(), cause };
        for (error, expected) in [
            (
                unreachable(UnreachableCause::Refused),
                "curl -v https://x.org",
            ),
            (
                unreachable(UnreachableCause::TimedOut),
                "curl -v https://x.org",
            ),
            (
                unreachable(UnreachableCause::Certificate {
                    reason: "its issuer is unknown to this machine".to_owned(),
                    is_unknown: true,
                }),
                "fh login --server https://x.org --ca-file FILE",
            ),
            (
                unreachable(UnreachableCause::Certificate {
                    reason: "it has expired".to_owned(),
                    is_unknown: false,
                }),
                "ask the server's administrator",
            ),
            (
                ClientError::Unauthorized {
                    url: url(),
                    message: "it has ended".to_owned(),
                },
                "fh login --server https://x.org",
            ),
            (
                api(500, ErrorCode::Internal),
                "curl -v https://x.org/readyz",
            ),
            (
                api(404, ErrorCode::NotFound),
                "fh login --server https://x.org",
            ),
            (
                api(400, ErrorCode::BadRequest),
                "fh login --server https://x.org",
            ),
        ] {
            let server = "https://x.org".parse().unwrap();
            let error = CommandError::from(error);
            let said = from_server("addresses", &error, &server).to_text();
            let (_, fix) = said.split_once('\u{2192}').unwrap();
            assert!(fix.contains(expected), "{said}");
        }
    }
}
