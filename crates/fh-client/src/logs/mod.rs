//! The build logs of a local store, read from the files that Nix keeps them in.
//!
//! ```text
//! <log directory>/drvs/<first 2 characters>/<rest of the derivation's base name>[.bz2]
//! <log directory>/drvs/<base name>[.bz2]                                        older
//! ```
//!
//! `nix log` looks in the same places in the same order (`LocalFSStore::getBuildLogExact` in Nix's
//! `src/libstore/local-fs-store.cc`). To run it for each path would take longer than a push.
//!
//! Invariants: looking for a log opens no file; what is held of one never exceeds twice the limit that
//! it is read with, however long it is; names of files are made of parsed store paths.

mod shorten;
#[cfg(test)]
mod tests;

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use bzip2_rs::DecoderReader;
use fh_conf::regular;
use fh_nix::StorePath;

use crate::closure::Closure;
pub(crate) use shorten::LogText;
use shorten::Shortener;

/// Where Nix keeps logs if nothing else is said.
const DEFAULT: &str = "/nix/var/log/nix";

/// The same below the root of a store that has one.
const BELOW_ROOT: &str = "nix/var/log/nix";

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// The directory of a store's build logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirectory(PathBuf);

/// The log of a derivation, which was there when it was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFile {
    path: PathBuf,
    compressed: bool,
}

impl LogDirectory {
    /// The logs below this directory, which need not be there.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// The log directory of the store that a closure was found in: what the store's address says
    /// (`log=…`), or below the root of a store that has one, or `configured` (Nix's `NIX_LOG_DIR`), or
    /// Nix's default.
    #[must_use]
    pub fn of(closure: &Closure, store: Option<&str>, configured: Option<PathBuf>) -> Self {
        let said = store
            .and_then(|store| store.split_once('?'))
            .and_then(|(_, query)| {
                let mut settings = query.split('&');
                settings.find_map(|setting| setting.strip_prefix("log="))
            });
        if let Some(directory) = said {
            return Self(PathBuf::from(directory));
        }
        let below = closure.store_dir.as_str().trim_start_matches('/');
        let real = &closure.real_store_dir;
        let root = real.ends_with(below).then(|| {
            let levels = Path::new(below).components().count();
            real.ancestors().nth(levels)
        });
        match root.flatten() {
            Some(root) if root != Path::new("/") => Self(root.join(BELOW_ROOT)),
            _ => Self(configured.unwrap_or_else(|| PathBuf::from(DEFAULT))),
        }
    }

    /// The log of a derivation, if there is one. What cannot be looked at is not there.
    pub(crate) fn find(&self, derivation: &StorePath) -> Option<LogFile> {
        let name = derivation.to_string();
        let logs = self.0.join("drvs");
        let (first, rest) = name.split_at_checked(2)?;
        let places = [(logs.join(first), rest), (logs.clone(), &name)];
        let files = places.into_iter().flat_map(|(directory, name)| {
            [("", false), (".bz2", true)].map(|(ending, compressed)| LogFile {
                path: directory.join(format!("{name}{ending}")),
                compressed,
            })
        });
        files.into_iter().find(|file| file.path.is_file())
    }
}

impl LogFile {
    /// Reads the log. Of one that is longer than `limit` bytes the middle is left out, which a line in
    /// its place says. Blocks.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or is cut short, as that of a build that goes on.
    pub(crate) fn read(&self, limit: usize) -> io::Result<LogText> {
        let file = regular::open(&self.path)?.ok_or_else(regular::missing)?;
        let file = BufReader::with_capacity(PIECE, file.into_file());
        if self.compressed {
            read(DecoderReader::new(file), limit)
        } else {
            read(file, limit)
        }
    }
}

fn read(mut log: impl Read, limit: usize) -> io::Result<LogText> {
    let mut text = Shortener::new(limit);
    let mut piece = vec![0; PIECE];
    loop {
        match log.read(&mut piece) {
            Ok(0) => return Ok(text.finish()),
            Ok(count) => text.take(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
