//! Listening sockets: TCP, Unix, and those that a service manager handed over.
//!
//! Invariants: a Unix socket appears at its path with its final mode, never wider; a socket that
//! somebody answers on is never taken away; at the end only the file that was made here is removed.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use fh_settings::{ListenAddress, PublicUrl};
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use super::ListenError;

/// Connections that the system queues for a socket until they are accepted.
const BACKLOG: u32 = 1024;

/// A listening socket that the service manager opened (systemd's socket activation).
#[derive(Debug)]
pub enum InheritedSocket {
    /// A TCP socket that listens already.
    Tcp(std::net::TcpListener),
    /// A Unix stream socket; its file belongs to the service manager.
    Unix(std::os::unix::net::UnixListener),
}

/// Where a socket listens, as it turned out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundAddress {
    /// With the real port.
    Tcp(SocketAddr),
    /// The path of a Unix socket; empty for one that has none.
    Unix(PathBuf),
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that is listening.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A listener and what belongs to it.
pub(super) struct Socket {
    pub(super) listener: Listener,
    pub(super) address: BoundAddress,
    /// Removes the file of a Unix socket that was made here.
    file: Option<SocketFile>,
}

/// The file of a Unix socket; removed on drop, if it is still the one that was made.
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let still_ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| metadata.dev() == self.device && metadata.ino() == self.inode);
        if still_ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

/// All sockets of a server.
pub(crate) struct Sockets {
    pub(super) main: Vec<Socket>,
    pub(super) metrics: Option<Socket>,
}

impl Sockets {
    /// Opens every address, and takes over the inherited sockets.
    pub(crate) fn bind(
        listen: &[ListenAddress],
        metrics: Option<&ListenAddress>,
        inherited: Vec<InheritedSocket>,
    ) -> Result<Self, ListenError> {
        let mut main = Vec::with_capacity(listen.len() + inherited.len());
        for socket in inherited {
            main.push(Socket::take_over(socket).map_err(ListenError::Inherited)?);
        }
        for address in listen {
            main.push(Socket::bind(address)?);
        }
        if main.is_empty() {
            return Err(ListenError::NoAddress);
        }
        let metrics = metrics.map(Socket::bind).transpose()?;
        Ok(Self { main, metrics })
    }

    /// Where requests are answered.
    pub(crate) fn addresses(&self) -> Vec<BoundAddress> {
        self.main
            .iter()
            .map(|socket| socket.address.clone())
            .collect()
    }

    /// Where metrics alone are answered.
    pub(crate) fn metrics_address(&self) -> Option<BoundAddress> {
        self.metrics.as_ref().map(|socket| socket.address.clone())
    }

    /// The URL that follows from the first TCP address.
    pub(crate) fn public_url(&self, with_tls: bool) -> Result<PublicUrl, ListenError> {
        let address = self
            .main
            .iter()
            .find_map(|socket| match socket.address {
                BoundAddress::Tcp(address) => Some(address),
                BoundAddress::Unix(_) => None,
            })
            .ok_or(ListenError::NoPublicUrl)?;
        let scheme = if with_tls { "https" } else { "http" };
        // Nobody can connect to a wildcard: what works from this machine is the best guess.
        let host = match address.ip() {
            ip if ip.is_unspecified() => {
                tracing::warn!("`public-url` is not set: clients will be given `localhost`");
                "localhost".to_owned()
            }
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        };
        format!("{scheme}://{host}:{}", address.port())
            .parse()
            .map_err(|_| ListenError::NoPublicUrl)
    }
}

impl Socket {
    fn bind(address: &ListenAddress) -> Result<Self, ListenError> {
        let bound = match address {
            ListenAddress::Tcp(ip) => bind_tcp(*ip),
            ListenAddress::Unix { path, mode } => {
                make_room(path)?;
                bind_unix(path, *mode)
            }
        };
        bound.map_err(cannot_bind(address))
    }

    fn take_over(socket: InheritedSocket) -> io::Result<Self> {
        let (listener, address) = match socket {
            InheritedSocket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                let address = BoundAddress::Tcp(listener.local_addr()?);
                (Listener::Tcp(TcpListener::from_std(listener)?), address)
            }
            InheritedSocket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                let address = listener.local_addr()?;
                let path = address.as_pathname().unwrap_or(Path::new("")).to_owned();
                let listener = UnixListener::from_std(listener)?;
                (Listener::Unix(listener), BoundAddress::Unix(path))
            }
        };
        Ok(Self {
            listener,
            address,
            file: None,
        })
    }

    /// Stops listening; the file of a Unix socket goes with it.
    pub(super) fn close(self) {
        // First the file, so that nobody finds a socket that does not answer.
        drop(self.file);
        drop(self.listener);
    }
}

fn cannot_bind(address: &ListenAddress) -> impl FnOnce(io::Error) -> ListenError {
    let address = address.clone();
    |source| ListenError::Bind { address, source }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart must not wait for the connections of the former process to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = BoundAddress::Tcp(listener.local_addr()?);
    Ok(Socket {
        listener: Listener::Tcp(listener),
        address,
        file: None,
    })
}

/// Leaves a path free, or taken by a socket on which nobody answers.
fn make_room(path: &Path) -> Result<(), ListenError> {
    let path = path.to_owned();
    let metadata = match std::fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result.map_err(cannot_bind(&ListenAddress::Unix {
            path: path.clone(),
            mode: 0o660,
        }))?,
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NotASocket { path });
    }
    use io::ErrorKind::{ConnectionRefused, NotFound};
    match UnixStream::connect(&path) {
        // Nobody answers, or it is gone in the meantime.
        Err(error) if matches!(error.kind(), ConnectionRefused | NotFound) => Ok(()),
        // Somebody answers, or would if their queue were not full, or we may not ask.
        Ok(_) | Err(_) => Err(ListenError::InUse { path }),
    }
}

/// Binds beside the path and moves the socket there once its mode is right; that also replaces the
/// file of a server that was killed.
fn bind_unix(path: &Path, mode: u32) -> io::Result<Socket> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let scratch = tempfile::Builder::new()
        .prefix(".fh")
        .rand_bytes(6)
        .tempdir_in(directory)?;
    let made = scratch.path().join("s");
    let listener = UnixListener::bind(&made)?;
    std::fs::set_permissions(&made, std::fs::Permissions::from_mode(mode))?;
    let metadata = std::fs::symlink_metadata(&made)?;
    std::fs::rename(&made, path)?;
    Ok(Socket {
        listener: Listener::Unix(listener),
        address: BoundAddress::Unix(path.to_owned()),
        file: Some(SocketFile {
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
        }),
    })
}

/// Tries whether an address could be listened on, and leaves nothing behind.
pub(crate) fn probe(address: &ListenAddress) -> Result<(), ListenError> {
    let probed = match address {
        // The standard library sets the same options.
        ListenAddress::Tcp(ip) => std::net::TcpListener::bind(ip).map(drop),
        ListenAddress::Unix { path, .. } => {
            make_room(path)?;
            // Not the path itself: a stale socket may stay until the server really starts.
            let directory = path.parent().unwrap_or(Path::new("/"));
            let mut scratch = tempfile::Builder::new();
            scratch.prefix(".fh").tempdir_in(directory).map(drop)
        }
    };
    probed.map_err(cannot_bind(address))
}
