//! TLS: which certificates are trusted, and what a server has to show.
//!
//! A server is believed if its certificate leads to a trusted authority, or *is* one of the trusted certificates.
//! The second is what curl and Nix do: `openssl req -x509` makes a certificate that is marked as an authority's,
//! and webpki takes no such certificate from a server.
//!
//! Invariant: without a trusted certificate, byte for byte the same, nothing is accepted that webpki refuses.

mod certificate;

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_native_certs::CertificateResult;

pub(crate) use certificate::Refused;

use crate::error::{Error, Result};
use crate::text::safe_line;

/// What is spoken over TLS, the preferred protocol first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The certificates of a PEM text as DER; other things in it do not count.
///
/// # Errors
///
/// [`Error::CaCertificate`] if it is not PEM, or if there is no certificate in it.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let unusable = |reason: String| Error::CaCertificate { reason };
    let all = CertificateDer::pem_slice_iter(pem)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| unusable(safe_line(&error.to_string(), 200)))?;
    if all.is_empty() {
        return Err(unusable("there is no PEM certificate in it".to_owned()));
    }
    Ok(all)
}

/// When the last of these certificates expires, in seconds since 1970; none where none of them can be read. webpki looks
/// at the dates of a server's certificate only, and OpenSSL, with which Nix works, at those of its authorities too.
#[must_use]
pub fn certificates_expire_at(certificates: &[CertificateDer<'_>]) -> Option<i64> {
    certificates
        .iter()
        .filter_map(certificate::expires_at)
        .max()
}

/// Whether a certificate has expired. What cannot be read has not.
pub(crate) fn has_expired(certificate: &CertificateDer<'_>) -> bool {
    let now = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
    certificate::expires_at(certificate).is_some_and(|end| end < now)
}

/// How to speak TLS if the given certificates are trusted, and with `system` the system's too.
///
/// Reads the system's, which takes tens of milliseconds. SSL_CERT_FILE and SSL_CERT_DIR name others, as everywhere.
///
/// # Errors
///
/// [`Error::CaCertificate`] for a given certificate that cannot be used, [`Error::NoCertificates`] if there is none
/// at all, [`Error::HttpSetup`].
pub(crate) fn configuration(
    given: Vec<CertificateDer<'static>>,
    system: bool,
) -> Result<ClientConfig> {
    let system = if system {
        rustls_native_certs::load_native_certs()
    } else {
        CertificateResult::default()
    };
    for error in &system.errors {
        tracing::debug!(%error, "a trusted certificate of the system cannot be read");
    }
    let mut roots = RootCertStore::empty();
    for certificate in &given {
        roots
            .add(certificate.clone())
            .map_err(|error| Error::CaCertificate {
                reason: safe_line(&error.to_string(), 200),
            })?;
    }
    // A system may have certificates that nobody can use.
    roots.add_parsable_certificates(system.certs.iter().cloned());
    if roots.is_empty() {
        return Err(Error::NoCertificates);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| Error::HttpSetup(error.into()))?;
    let verifier = Verifier {
        webpki,
        trusted: given.into_iter().chain(system.certs).collect(),
    };
    let mut configuration = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::HttpSetup(error.into()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    configuration.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(configuration)
}

/// Believes what webpki believes, and a certificate that is itself among the trusted ones.
struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("trusted", &self.trusted.len())
            .finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let refused = match self.webpki.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            Err(rustls::Error::InvalidCertificate(refused)) => refused,
            result => return result,
        };
        if self.trusted.iter().any(|trusted| trusted == end_entity) {
            // All that webpki checks beside the issuer.
            certificate::check(end_entity, server_name, now)?;
            return Ok(ServerCertVerified::assertion());
        }
        Err(explained(refused, end_entity, now).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// The refusal of a certificate that is not trusted; with the kind of the certificate if that is the reason.
fn explained(
    refused: CertificateError,
    end_entity: &CertificateDer<'_>,
    now: UnixTime,
) -> CertificateError {
    match &refused {
        CertificateError::UnknownIssuer
        | CertificateError::BadEncoding
        | CertificateError::Other(_) => match certificate::kind(end_entity, now) {
            Some(kind) => kind.into(),
            None => refused,
        },
        _ => refused,
    }
}
