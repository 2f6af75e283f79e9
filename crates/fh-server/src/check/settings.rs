//! `fh serve --check`, of the settings: tries out what [`resolve`](fh_settings::resolve()) can only parse.
//!
//! Invariant: nothing that was there is changed, and nothing stays behind; so it may be run beside
//! the server that it is about.

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fh_persistence::tenure;
use fh_settings::{ListenAddress, Resolved};

use crate::listen::{ListenError, load_pair, probe};

/// Why a server with these settings would not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The data directory cannot be written to, or made.
    #[error("`data-dir`: cannot write to {}", path.display())]
    DataDirectory {
        /// The directory, or the nearest one above it that exists.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// An address cannot be listened on.
    #[error("`{key}`")]
    Address {
        /// The option that names it: `listen` or `metrics-listen`.
        key: &'static str,
        /// Why it cannot be listened on.
        source: Box<ListenError>,
    },
    /// Certificate and key cannot be used.
    #[error("`tls-certificate`, `tls-key`")]
    Tls(#[source] ListenError),
    /// The public URL is not set and follows from nothing.
    #[error("`public-url`")]
    PublicUrl(#[source] ListenError),
}

/// What a check found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The settings, displayed as the lines of a TOML file with their origins.
    pub resolved: Resolved,
    /// What keeps the server from starting.
    pub errors: Vec<CheckError>,
    /// What somebody should know: sentences.
    pub notes: Vec<String>,
}

impl fmt::Display for Report {
    /// What would be used, and where each value comes from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for given in &self.resolved.given {
            let value = given.texts.join(", ");
            writeln!(f, "{:<20} {value:<32} ({})", given.option.key, given.origin)?;
        }
        Ok(())
    }
}

/// Tries out the data directory, the TLS files and the addresses.
#[must_use]
pub fn check_settings(resolved: Resolved, inherited_sockets: usize) -> Report {
    let mut errors = Vec::new();
    let mut notes = Vec::new();
    let settings = &resolved.settings;

    let running = match try_data_directory(&settings.data_dir) {
        Ok(running) => running,
        Err(error) => {
            errors.push(error);
            false
        }
    };
    if running {
        notes.push("a server is running on this data directory".to_owned());
    }

    if let Some(files) = &settings.tls {
        match load_pair(files) {
            Ok(_) => notes.extend(exposed_key(&files.key)),
            Err(error) => errors.push(CheckError::Tls(error)),
        }
    }

    let addresses = settings.listen.iter().map(|address| ("listen", address));
    let metrics = settings
        .metrics_listen
        .iter()
        .map(|address| ("metrics-listen", address));
    for (key, address) in addresses.chain(metrics) {
        match probe(address) {
            Ok(()) => {}
            // Very likely by the server that is running.
            Err(error) if running && is_taken(&error) => {
                notes.push(format!("{address} is in use"));
            }
            Err(error) => errors.push(CheckError::Address {
                key,
                source: Box::new(error),
            }),
        }
    }
    if settings.listen.is_empty() && inherited_sockets == 0 {
        errors.push(CheckError::Address {
            key: "listen",
            source: Box::new(ListenError::NoAddress),
        });
    }

    if settings.public_url.is_none() {
        let first = settings
            .listen
            .iter()
            .find(|address| matches!(address, ListenAddress::Tcp(_)));
        match first {
            None if inherited_sockets == 0 => {
                errors.push(CheckError::PublicUrl(ListenError::NoPublicUrl));
            }
            Some(address) if address.is_wildcard() => notes.push(format!(
                "`public-url` is not set, and {address} is not an address that clients can use: they will be \
                 given localhost"
            )),
            _ => {}
        }
    }

    Report {
        resolved,
        errors,
        notes,
    }
}

fn is_taken(error: &ListenError) -> bool {
    match error {
        ListenError::InUse { .. } => true,
        ListenError::Bind { source, .. } => source.kind() == io::ErrorKind::AddrInUse,
        _ => false,
    }
}

/// True when a server has the directory locked. Where it does not exist, the nearest directory
/// above must be one in which it can be made.
fn try_data_directory(path: &Path) -> Result<bool, CheckError> {
    let place = path
        .ancestors()
        .find(|ancestor| ancestor.as_os_str().is_empty() || ancestor.exists())
        .filter(|ancestor| !ancestor.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".fh-check")
        .tempfile_in(place)
        .map_err(|source| CheckError::DataDirectory {
            path: place.to_owned(),
            source,
        })?;
    Ok(place == path && tenure::is_in_use(path))
}

/// A sentence about a key that others than its owner may read.
fn exposed_key(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o007 != 0).then(|| {
        format!(
            "everybody on this machine can read the key {}",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use fh_settings::{Given, Origin, option, resolve};

    use super::*;

    fn given(key: &str, text: &str) -> Given {
        Given {
            option: option(key).unwrap(),
            texts: vec![text.to_owned()],
            origin: Origin::Flag,
        }
    }

    #[test]
    fn a_check_tries_everything_and_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let data = scratch.path().join("a/b");
        let resolved = resolve(&[
            given("data-dir", data.to_str().unwrap()),
            given("listen", &address),
            given("tls-certificate", "/nowhere/cert.pem"),
            given("tls-key", "/nowhere/key.pem"),
        ])
        .unwrap();
        let report = check_settings(resolved, 0);
        let errors: Vec<String> = report.errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, ["`tls-certificate`, `tls-key`", "`listen`"]);
        assert!(report.to_string().contains("data-dir"));
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);

        // A port that was given up may be another test's by now.
        drop(taken);
        let resolved = resolve(&[
            given("data-dir", data.to_str().unwrap()),
            given("listen", "127.0.0.1:0"),
        ]);
        let report = check_settings(resolved.unwrap(), 0);
        assert!(report.errors.is_empty(), "{:?}", report.errors);

        let resolved = resolve(&[
            given("data-dir", "/proc/nowhere"),
            given("listen", &format!("unix:{}/s", scratch.path().display())),
        ]);
        let report = check_settings(resolved.unwrap(), 0);
        let errors: Vec<String> = report.errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            ["`data-dir`: cannot write to /proc", "`public-url`"]
        );
    }
}
