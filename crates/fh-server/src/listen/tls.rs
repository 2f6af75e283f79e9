//! TLS: one certificate for all addresses, exchanged while the server runs.
//!
//! Invariant: a pair that cannot be read, parsed, or whose halves do not belong together never
//! replaces one that works.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fh_file as files;
use fh_settings::TlsFiles;
use parking_lot::{Mutex, RwLock};
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use super::ListenError;

/// How often the files are looked at for a change.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Reads a certificate chain and its key, and checks that they belong together.
pub(crate) fn load_pair(files: &TlsFiles) -> Result<CertifiedKey, ListenError> {
    load_pair_for(files, &rustls::crypto::aws_lc_rs::default_provider())
}

fn load_pair_for(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, ListenError> {
    let chain = read(&files.certificate)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<_, _>>()
        .map_err(|_| no_pem(&files.certificate, "certificate"))?;
    if chain.is_empty() {
        return Err(no_pem(&files.certificate, "certificate"));
    }
    let key = Zeroizing::new(read(&files.key)?);
    // The parser's error is not passed on: it may quote what it read.
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| no_pem(&files.key, "private key"))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|source| ListenError::TlsPair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, ListenError> {
    files::read(path, files::LARGEST).map_err(|source| ListenError::TlsFile {
        path: path.to_owned(),
        source,
    })
}

fn no_pem(path: &Path, what: &'static str) -> ListenError {
    ListenError::NoPem {
        path: path.to_owned(),
        what,
    }
}

/// What tells that a file was written or replaced: device, inode, size, and when it was modified.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

fn stamp(path: &Path) -> Stamp {
    let metadata: Metadata = std::fs::metadata(path).ok()?;
    Some((
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    ))
}

fn stamps(files: &TlsFiles) -> (Stamp, Stamp) {
    (stamp(&files.certificate), stamp(&files.key))
}

/// The certificate that is served now, and the files it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    /// The files as they were when they were last read, whether that went well or not.
    seen: Mutex<(Stamp, Stamp)>,
}

impl Certificates {
    /// Reads the files for the first time.
    pub(crate) fn load(files: TlsFiles) -> Result<Self, ListenError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let seen = stamps(&files);
        let pair = load_pair_for(&files, &provider)?;
        Ok(Self {
            inner: Arc::new(Inner {
                files,
                provider,
                current: RwLock::new(Arc::new(pair)),
                seen: Mutex::new(seen),
            }),
        })
    }

    /// What turns a TCP connection into a TLS one; follows every later exchange.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, ListenError> {
        let mut config = rustls::ServerConfig::builder_with_provider(self.inner.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(ListenError::Tls)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(self.inner.clone())));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads the files again, whether they changed or not; logs what came of it.
    pub(crate) fn reload(&self) {
        let files = &self.inner.files;
        *self.inner.seen.lock() = stamps(files);
        match load_pair_for(files, &self.inner.provider) {
            Ok(pair) => {
                *self.inner.current.write() = Arc::new(pair);
                tracing::info!(certificate = %files.certificate.display(), "TLS certificate read again");
            }
            Err(error) => tracing::error!(
                error = %fh_api::with_causes(&error),
                "the new TLS certificate cannot be used, the previous one stays"
            ),
        }
    }

    fn changed(&self) -> bool {
        *self.inner.seen.lock() != stamps(&self.inner.files)
    }

    /// Reads the files again whenever they change; never returns.
    pub(crate) async fn follow(self) {
        let mut ticks = tokio::time::interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let certificates = self.clone();
            // The file system may be slow, and a panic there ends this one look only.
            let looked = tokio::task::spawn_blocking(move || {
                if certificates.changed() {
                    certificates.reload();
                }
            });
            if looked.await.is_err() {
                tracing::error!("looking at the TLS certificate's files failed");
            }
        }
    }
}

/// Gives every handshake the current certificate.
#[derive(Debug)]
struct Resolver(Arc<Inner>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.read().clone())
    }
}
