//! Addresses: where a server listens, and what it is known by.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

/// Permissions of a Unix socket where none are given: its owner and group may connect.
const DEFAULT_SOCKET_MODE: u32 = 0o660;

/// Longest path of a Unix socket: `sun_path` of unix(7) without its final NUL.
const MAX_SOCKET_PATH: usize = 107;

/// What the name is longer by, below the same directory, while the socket gets its mode.
const MAX_SCRATCH_NAME: usize = "/.fh123456/s".len();

/// Where to listen: `127.0.0.1:8484`, `[::1]:8484`, `unix:/run/fh.sock`, `unix:/run/fh.sock?mode=666`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and port; port 0 lets the system choose one.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix {
        /// An absolute path, since a service starts anywhere.
        path: PathBuf,
        /// Its permissions, from when it appears at `path`.
        mode: u32,
    },
}

impl ListenAddress {
    /// True for a TCP address that every machine in reach may connect to.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Tcp(address) if address.ip().is_unspecified())
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix { path, mode } if *mode == DEFAULT_SOCKET_MODE => {
                write!(f, "unix:{}", path.display())
            }
            Self::Unix { path, mode } => write!(f, "unix:{}?mode={mode:03o}", path.display()),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("unix:") {
            return parse_unix(rest);
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            format!(
                "{text:?} is not a valid address to listen on; write an IP address with a port \
                 (127.0.0.1:8484, [::1]:8484, 0.0.0.0:8484) or unix:/absolute/path"
            )
        })
    }
}

fn parse_unix(text: &str) -> Result<ListenAddress, String> {
    let (path, mode) = match text.split_once("?mode=") {
        None => (text, DEFAULT_SOCKET_MODE),
        Some((path, mode)) => (
            path,
            u32::from_str_radix(mode, 8)
                .ok()
                .filter(|mode| *mode <= 0o777)
                .ok_or_else(|| format!("{mode:?} is not a valid file mode; write it like 660"))?,
        ),
    };
    if !path.starts_with('/') {
        return Err(format!(
            "the path of a Unix socket must be absolute, not {path:?}"
        ));
    }
    let directory = path.rfind('/').unwrap_or(0);
    if path.len().max(directory + MAX_SCRATCH_NAME) > MAX_SOCKET_PATH {
        return Err(format!(
            "{path:?} is too long: a Unix socket may have {MAX_SOCKET_PATH} bytes, \
             its directory {} of them",
            MAX_SOCKET_PATH - MAX_SCRATCH_NAME
        ));
    }
    Ok(ListenAddress::Unix {
        path: PathBuf::from(path),
        mode,
    })
}

/// The URL that people, clients and tokens know the server by: `http` or `https`, a host, perhaps a
/// port and a path, without a final slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    host: String,
}

impl PublicUrl {
    /// The URL, without a final slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its host, without the port; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url =
            Url::parse(text).map_err(|error| format!("{text:?} is not a valid URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{text:?} must begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // The text is not repeated: it may hold a password.
            return Err("it must not hold a user name or a password".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("{text:?} must not have a query or a fragment"));
        }
        let host = url
            .host_str()
            .ok_or_else(|| format!("{text:?} does not name a host"))?
            .trim_matches(['[', ']'])
            .to_owned();
        Ok(Self {
            text: url.as_str().trim_end_matches('/').to_owned(),
            host,
        })
    }
}
