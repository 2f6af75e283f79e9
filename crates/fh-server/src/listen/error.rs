//! Why it cannot be listened.

use std::io;
use std::path::PathBuf;

use fh_settings::ListenAddress;

/// Why it cannot be listened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The address is taken, not of this machine, or not allowed.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address as it was configured.
        address: ListenAddress,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process answers on the Unix socket.
    #[error("cannot listen on {}: another process answers there", path.display())]
    InUse {
        /// The path of the socket.
        path: PathBuf,
    },
    /// There is something at the path of the Unix socket, and it is no socket.
    #[error("cannot listen on {}: there is a file that is not a socket", path.display())]
    NotASocket {
        /// The path that was configured for the socket.
        path: PathBuf,
    },
    /// A socket that the service manager handed over cannot be used.
    #[error("cannot use a socket that was handed over")]
    Inherited(#[source] io::Error),
    /// Neither an address nor a socket.
    #[error("there is no address to listen on")]
    NoAddress,
    /// The public URL follows from no address.
    #[error(
        "`public-url` is not set: it cannot be derived from a Unix socket; write the address that clients use"
    )]
    NoPublicUrl,
    /// A certificate or key file cannot be read.
    #[error("cannot read {}", path.display())]
    TlsFile {
        /// The file of the certificate or of the key.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file holds no certificate or no key.
    #[error("{} holds no {what} in PEM form", path.display())]
    NoPem {
        /// The file of the certificate or of the key.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// A pair of certificate and key that cannot be used.
    #[error("the certificate {} and the key {} cannot be used together", certificate.display(), key.display())]
    TlsPair {
        /// The file that holds the certificate.
        certificate: PathBuf,
        /// The file that holds the key.
        key: PathBuf,
        /// Why rustls does not take them.
        source: rustls::Error,
    },
    /// rustls does not take its own parameters.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}
