//! What a failed attempt means: the error in words, and whether another attempt can help.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use http::StatusCode;
use http::header::{self, HeaderMap};

use super::Repeat;
use super::retry::parse_retry_after;
use crate::error::{Error, UnreachableCause};
use crate::text::safe_line;

/// How many characters of a system's or library's message are shown.
const REASON_LIMIT: usize = 300;

/// Whether the server can have carried out a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// It surely did not.
    No,
    /// It is not known.
    Perhaps,
}

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// None where another attempt would fail as well.
    transient: Option<Sent>,
    /// What the server asked to wait.
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    /// A failure that another attempt would not mend.
    pub(super) fn end(error: Error) -> Self {
        Self {
            error,
            transient: None,
            retry_after: None,
        }
    }

    pub(super) fn unreachable(url: &str, cause: UnreachableCause, sent: Sent) -> Self {
        // A certificate does not become trusted by asking again, and a name seldom appears; but a
        // resolver that is being restarted is as transient as a server that is.
        let transient = !matches!(cause, UnreachableCause::Certificate { .. });
        Self {
            error: Error::Unreachable {
                url: url.to_owned(),
                cause,
            },
            transient: transient.then_some(sent),
            retry_after: None,
        }
    }

    pub(super) fn from_transport(url: &str, host: &str, error: &reqwest::Error) -> Self {
        let sent = if error.is_connect() {
            Sent::No
        } else {
            Sent::Perhaps
        };
        if error.is_builder() {
            return Self::end(Error::InvalidAnswer {
                url: url.to_owned(),
                reason: innermost(error),
            });
        }
        Self::unreachable(url, cause_of(host, error), sent)
    }

    pub(super) fn from_status(error: Error, status: StatusCode, headers: &HeaderMap) -> Self {
        let transient = match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some(Sent::No),
            StatusCode::REQUEST_TIMEOUT | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                Some(Sent::Perhaps)
            }
            _ => None,
        };
        let retry_after = headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(parse_retry_after);
        Self {
            error,
            transient,
            retry_after,
        }
    }

    /// Whether another attempt is worth it and safe.
    pub(super) fn may_repeat(&self, repeat: Repeat) -> bool {
        match self.transient {
            None => false,
            Some(Sent::No) => true,
            Some(Sent::Perhaps) => repeat == Repeat::Safe,
        }
    }
}

/// Walks from an error to what caused it, ending with the innermost.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn StdError + 'static) = *error;
        // An io::Error that wraps another error shows it by get_ref, not by source.
        error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn StdError + 'static))
            .or_else(|| error.source())
    })
}

fn innermost(error: &reqwest::Error) -> String {
    let text = chain(error)
        .last()
        .map_or_else(String::new, ToString::to_string);
    safe_line(&text, REASON_LIMIT)
}

/// The cause in this crate's words.
fn cause_of(host: &str, error: &reqwest::Error) -> UnreachableCause {
    for cause in chain(error) {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return tls_cause(tls);
        }
        if let Some(hyper) = cause.downcast_ref::<hyper::Error>()
            && (hyper.is_incomplete_message() || hyper.is_canceled() || hyper.is_closed())
        {
            return UnreachableCause::Closed;
        }
        if let Some(system) = cause.downcast_ref::<io::Error>() {
            match system.kind() {
                io::ErrorKind::ConnectionRefused => return UnreachableCause::Refused,
                io::ErrorKind::TimedOut => return UnreachableCause::TimedOut,
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => return UnreachableCause::Closed,
                _ => {}
            }
        }
        // The connector has no public type for this; the wording is the only sign.
        if cause.to_string().starts_with("dns error") {
            return UnreachableCause::Dns {
                host: host.to_owned(),
            };
        }
    }
    if error.is_timeout() {
        return UnreachableCause::TimedOut;
    }
    UnreachableCause::Other {
        reason: innermost(error),
    }
}

fn tls_cause(error: &rustls::Error) -> UnreachableCause {
    use rustls::CertificateError as Certificate;
    let reason = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            Certificate::UnknownIssuer => "its issuer is unknown to this machine".to_owned(),
            Certificate::Expired | Certificate::ExpiredContext { .. } => {
                "it has expired".to_owned()
            }
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                "it is not valid yet (is the clock right?)".to_owned()
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "it is for another host name".to_owned()
            }
            Certificate::Revoked => "it was revoked".to_owned(),
            other => safe_line(&other.to_string(), REASON_LIMIT),
        },
        other => {
            let reason = match other {
                rustls::Error::InvalidMessage(_) => "the other end does not speak TLS".to_owned(),
                other => safe_line(&other.to_string(), REASON_LIMIT),
            };
            return UnreachableCause::Tls { reason };
        }
    };
    UnreachableCause::Certificate { reason }
}
