//! One certificate of a server, judged by itself.

use std::sync::Arc;

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, OtherError, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Version;

/// Why a certificate is refused, for what rustls has no word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It is its own issuer.
    #[error("it is self-signed, and is not one of the certificates that this machine trusts")]
    SelfSigned,
    /// It is marked as an authority's.
    #[error("it is the certificate of a certificate authority, and not that of a server")]
    Authority,
    /// It has no extensions, and so no names of servers.
    #[error("it is of an old version of X.509: the server needs one of version 3")]
    OldVersion,
    /// Its extensions do not let it stand for a server.
    #[error("it is not meant for servers, as its key usage says")]
    Purpose,
}

impl From<Refused> for CertificateError {
    fn from(refused: Refused) -> Self {
        Self::Other(OtherError(Arc::new(refused)))
    }
}

/// What kind of certificate it is, if that alone is a reason to refuse one that is not trusted.
pub(super) fn kind(der: &CertificateDer<'_>, now: UnixTime) -> Option<Refused> {
    let certificate = parse(der).ok()?;
    let names_itself = certificate.subject().as_raw() == certificate.issuer().as_raw();
    if certificate.version() != X509Version::V3 {
        Some(Refused::OldVersion)
    } else if names_itself && (certificate.is_ca() || has_signed_itself(der, now)) {
        Some(Refused::SelfSigned)
    } else if certificate.is_ca() {
        Some(Refused::Authority)
    } else {
        None
    }
}

/// Whether a certificate that is no authority's is signed with its own key. Its issuer may only have the same name.
fn has_signed_itself(der: &CertificateDer<'_>, now: UnixTime) -> bool {
    let mut itself = RootCertStore::empty();
    let algorithms = default_provider().signature_verification_algorithms.all;
    itself.add(der.clone().into_owned()).is_ok()
        && ParsedCertificate::try_from(der).is_ok_and(|parsed| {
            verify_server_cert_signed_by_trust_anchor(&parsed, &itself, &[], now, algorithms)
                .is_ok()
        })
}

/// When a certificate expires, in seconds since 1970.
pub(super) fn expires_at(der: &CertificateDer<'_>) -> Option<i64> {
    let certificate = parse(der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// Checks a certificate that is itself trusted: its dates, what it is for, and its names.
pub(super) fn check(
    der: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), CertificateError> {
    let certificate = parse(der)?;
    if certificate.version() != X509Version::V3 {
        return Err(Refused::OldVersion.into());
    }
    check_dates(&certificate, now)?;
    check_purpose(&certificate)?;
    check_name(&certificate, der, server_name)
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, CertificateError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CertificateError::BadEncoding),
    }
}

fn check_dates(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let validity = certificate.validity();
    let Ok(now) = i64::try_from(now.as_secs()) else {
        return Err(CertificateError::Expired);
    };
    if now < validity.not_before.timestamp() {
        Err(CertificateError::NotValidYet)
    } else if now > validity.not_after.timestamp() {
        Err(CertificateError::Expired)
    } else {
        Ok(())
    }
}

/// What OpenSSL asks of a server's certificate: where usages are named, one has to be that of a TLS server. Those
/// of an authority proper, which only signs certificates, do not do.
fn check_purpose(certificate: &X509Certificate<'_>) -> Result<(), CertificateError> {
    let unreadable = |_| CertificateError::BadEncoding;
    let extended = certificate.extended_key_usage().map_err(unreadable)?;
    let usage = certificate.key_usage().map_err(unreadable)?;
    let is_for_servers = extended.is_none_or(|usage| usage.value.server_auth || usage.value.any);
    let has_key_for_tls = usage.is_none_or(|usage| {
        let usage = usage.value;
        usage.digital_signature() || usage.key_encipherment() || usage.key_agreement()
    });
    if is_for_servers && has_key_for_tls {
        Ok(())
    } else {
        Err(Refused::Purpose.into())
    }
}

/// By its alternative names; without one of a host or an address by its common name, as curl does.
fn check_name(
    certificate: &X509Certificate<'_>,
    der: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
) -> Result<(), CertificateError> {
    let alternatives = certificate
        .subject_alternative_name()
        .map_err(|_| CertificateError::BadEncoding)?;
    let has_names = alternatives.is_some_and(|alternatives| {
        let mut names = alternatives.value.general_names.iter();
        names.any(|name| {
            matches!(
                name,
                GeneralName::DNSName(_) | GeneralName::IPAddress(_) | GeneralName::Invalid(..)
            )
        })
    });
    if has_names {
        let verified = ParsedCertificate::try_from(der)
            .and_then(|parsed| verify_server_name(&parsed, server_name));
        return verified.map_err(|error| match error {
            rustls::Error::InvalidCertificate(error) => error,
            _ => CertificateError::BadEncoding,
        });
    }
    let common_name = certificate.subject().iter_common_name().last();
    let is_it = common_name
        .and_then(|name| name.as_str().ok())
        .is_some_and(|name| names(name, server_name));
    if is_it {
        Ok(())
    } else {
        Err(CertificateError::NotValidForName)
    }
}

/// Whether a common name is that of a server. `*.` in front stands for one label, of a host that has two more.
fn names(common_name: &str, server_name: &ServerName<'_>) -> bool {
    let server = server_name.to_str();
    if common_name.eq_ignore_ascii_case(&server) {
        return true;
    }
    let ServerName::DnsName(_) = server_name else {
        return false;
    };
    let Some(domain) = common_name.strip_prefix("*.") else {
        return false;
    };
    let rest = server.split_once('.').map(|(_, rest)| rest);
    domain.contains('.') && rest.is_some_and(|rest| rest.eq_ignore_ascii_case(domain))
}
