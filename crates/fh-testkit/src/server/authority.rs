//! A certificate authority for one test.

use std::path::Path;

use anyhow::Result;
use fh_settings::TlsFiles;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// The names of the server's certificates.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A certificate authority that nobody trusts unless told to.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn new() -> Result<Self> {
        Self::of(CertificateParams::new(Vec::new())?)
    }

    /// One whose own certificate has expired. Those that it issues have not.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn expired() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        Self::of(params)
    }

    fn of(mut params: CertificateParams) -> Result<Self> {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "fh test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { issuer })
    }

    /// Its own certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A new certificate for loopback and its key, both as PEM.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn issue(&self) -> Result<(String, String)> {
        let mut params = CertificateParams::new(NAMES.map(str::to_owned).to_vec())?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params
            .distinguished_name
            .push(DnType::CommonName, "fh test server");
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// Writes a new certificate and its key into a directory, over former ones.
    ///
    /// # Errors
    /// When a key cannot be made, or a file not be written.
    pub fn issue_into(&self, directory: &Path) -> Result<TlsFiles> {
        let (certificate, key) = self.issue()?;
        write_into(directory, certificate, key)
    }
}

/// Writes a self-signed certificate for loopback and its key into a directory, in the form in which `openssl req
/// -x509` makes it: marked as that of an authority.
///
/// # Errors
/// When a key cannot be made, or a file not be written.
pub fn self_signed_into(directory: &Path) -> Result<TlsFiles> {
    let mut params = CertificateParams::new(NAMES.map(str::to_owned).to_vec())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    write_into(directory, certificate.pem(), key.serialize_pem())
}

fn write_into(directory: &Path, certificate: String, key: String) -> Result<TlsFiles> {
    let files = TlsFiles {
        certificate: directory.join("certificate.pem"),
        key: directory.join("key.pem"),
    };
    for (path, text) in [(&files.certificate, certificate), (&files.key, key)] {
        // Replaced at once, so that nobody reads half a file.
        let scratch = tempfile::NamedTempFile::new_in(directory)?;
        std::fs::write(scratch.path(), text)?;
        scratch.persist(path)?;
    }
    Ok(files)
}
