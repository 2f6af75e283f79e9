//! Failures of a connection in this crate's words.

use std::error::Error as StdError;
use std::io;

use crate::error::{Error, UnreachableCause};
use crate::retry::{Failure, Sent};
use crate::text::safe_line;
use crate::tls::Refused;

/// How many characters of a system's or library's message are shown.
const REASON_LIMIT: usize = 300;

/// What a failure of the connection means.
pub(crate) fn from_transport(url: &str, host: &str, error: &reqwest::Error) -> Failure {
    if error.is_builder() {
        return Failure::end(Error::InvalidAnswer {
            url: url.to_owned(),
            reason: innermost(error),
        });
    }
    let sent = if error.is_connect() {
        Sent::No
    } else {
        Sent::Perhaps
    };
    Failure::unreachable(url, cause_of(host, error), sent)
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
        if let Some(hyper) = cause.downcast_ref::<hyper::Error>() {
            if hyper.is_incomplete_message() || hyper.is_canceled() || hyper.is_closed() {
                return UnreachableCause::Closed;
            }
            if hyper.is_parse() && !hyper.is_parse_too_large() {
                let reason = innermost(error);
                return UnreachableCause::NotHttp { reason };
            }
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
    match error {
        rustls::Error::InvalidCertificate(refused) => UnreachableCause::Certificate {
            reason: certificate_reason(refused),
            is_unknown: is_unknown(refused),
        },
        rustls::Error::InvalidMessage(_) => UnreachableCause::Tls {
            reason: "the other end does not speak TLS".to_owned(),
        },
        other => UnreachableCause::Tls {
            reason: safe_line(&other.to_string(), REASON_LIMIT),
        },
    }
}

/// Why a certificate is not trusted. The words of the TLS library are names in its source, and go behind ours.
fn certificate_reason(refused: &rustls::CertificateError) -> String {
    use rustls::CertificateError as Certificate;
    let reason = match refused {
        Certificate::UnknownIssuer => "its issuer is unknown to this machine",
        Certificate::Expired | Certificate::ExpiredContext { .. } => "it has expired",
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "it is not valid yet (is the clock right?)"
        }
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            "it is for another host name"
        }
        Certificate::Revoked => "it was revoked",
        Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
            return Refused::Purpose.to_string();
        }
        Certificate::BadEncoding => "it cannot be parsed",
        Certificate::BadSignature => "the signature of its issuer is wrong",
        Certificate::UnhandledCriticalExtension => {
            "it has a critical extension that fh does not know"
        }
        Certificate::UnsupportedSignatureAlgorithmContext { .. }
        | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed with an algorithm that is too old, or that fh does not know"
        }
        Certificate::Other(other) => match other.0.downcast_ref::<Refused>() {
            Some(ours) => return ours.to_string(),
            None => return unusable(&other.0.to_string()),
        },
        other => return unusable(&other.to_string()),
    };
    reason.to_owned()
}

/// Whether a certificate is refused because nobody here knows it or its issuer.
fn is_unknown(refused: &rustls::CertificateError) -> bool {
    use rustls::CertificateError as Certificate;
    match refused {
        Certificate::UnknownIssuer | Certificate::BadSignature => true,
        Certificate::Other(other) => {
            matches!(other.0.downcast_ref(), Some(Refused::SelfSigned))
        }
        _ => false,
    }
}

/// For what there is no sentence.
fn unusable(words: &str) -> String {
    format!("it cannot be used ({})", safe_line(words, REASON_LIMIT))
}
