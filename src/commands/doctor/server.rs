//! The server, and the way to it: what answers, the clocks, TLS.

use fh_client::{Error as ClientError, Reading, ServerKind, ServerUrl, UnreachableCause};

use super::finding::{Check, Finding};
use crate::context::{Context, FoundToken, Selected};
use crate::error::CommandError;
use crate::site::{Site, ask_for_lines, attic_cache, direction};

pub(super) const NAME: Check = Check("server");
const CLOCK: Check = Check("clock");
const TLS: Check = Check("tls");

/// What a server, or the way to it, did wrong, as a check that failed.
pub(super) fn from_server(check: Check, error: &CommandError, server: &ServerUrl) -> Finding {
    let log_in = format!("fh login --server {server}");
    match error.downcast_ref::<ClientError>() {
        // The error's own hint says no more than this command.
        Some(ClientError::Unauthorized { .. }) => check.failed(error.sentence(), log_in),
        Some(ClientError::Unreachable {
            cause: UnreachableCause::Certificate { is_unknown, .. },
            ..
        }) => {
            let fix = if *is_unknown {
                format!(
                    "{log_in} --ca-file FILE   FILE has the certificate of the server or of its authority"
                )
            } else {
                "ask the server's administrator for another certificate (`fh serve --tls-certificate`)".to_owned()
            };
            check.failed(error.sentence(), fix)
        }
        Some(ClientError::Unreachable { .. } | ClientError::Status { .. }) => {
            check.of_error(error, format!("curl -v {server}   shows what answers"))
        }
        Some(client) if client.status().is_some_and(|status| status >= 500) => {
            check.of_error(error, format!("curl -v {server}/readyz   shows its state"))
        }
        _ => check.of_error(error, log_in),
    }
}

pub(super) fn clock(site: &Site) -> Option<Finding> {
    site.now?;
    let Some(skew) = site.clock_skew() else {
        return Some(CLOCK.ok("this machine's clock agrees with the server's"));
    };
    let about = format!(
        "this machine's clock is {} seconds {} the server's: tokens look expired, or not yet valid",
        skew.whole_seconds().abs(),
        direction(skew)
    );
    Some(CLOCK.failed(about, "timedatectl set-ntp true"))
}

pub(super) fn transport(site: &Site) -> Finding {
    if site.server.is_secure() {
        // That it answered says that its certificate is one that this machine trusts.
        TLS.ok("the server's certificate is trusted")
    } else if site.server.is_loopback() {
        TLS.ok("not needed: the server is on this machine")
    } else {
        TLS.warning("the token travels unencrypted: anyone on the network path can read it")
            .fix("docs/server.md, \"In front of the world\": give the server a certificate")
    }
}

/// Learns what a server says of its addresses and keys: those that the next login would write.
pub(super) async fn learn(
    context: &Context,
    selected: &Selected,
    site: &mut Site,
    token: Option<&FoundToken>,
) -> Result<(), CommandError> {
    let token = token.map(|found| &found.token);
    match (site.kind, attic_cache(&site.server)) {
        (ServerKind::Fh, _) => {
            let client = context.client_of(&site.server, token)?;
            let reading = match selected {
                Selected::Known(entry) => &entry.reading,
                Selected::FlakeHub(_) | Selected::New(_) => &Reading::Usual,
            };
            ask_for_lines(site, &client, reading).await
        }
        (ServerKind::Attic, Some((base, cache))) => {
            let client = context.client_of(&base, token)?;
            let described = client.attic_cache(cache).await?;
            site.learn(described)
        }
        (ServerKind::FlakeHub | ServerKind::Attic, _) => Ok(()),
    }
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
            let said = from_server(NAME, &error, &server).to_text();
            let (_, fix) = said.split_once('\u{2192}').unwrap();
            assert!(fix.contains(expected), "{said}");
        }
    }
}
