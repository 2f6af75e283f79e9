//! Where the file comes from: a path, or standard input; and the files with keys that it names.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use fh_auth::identity::KeySet;
use fh_conf::regular::{self, Refused};
use serde_json::Value;

use super::file::{self, File};
use super::problem::{Problem, Said};
use crate::error::{CommandError, Status};

/// More than any set of keys has, in bytes.
const LARGEST_KEYS: u64 = 1 << 20;

/// Where a file comes from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// None for standard input.
    path: Option<PathBuf>,
}

impl Source {
    /// What the command line names; `-` is standard input.
    pub(super) fn named(path: &Path) -> Self {
        let path = (path.as_os_str() != "-").then(|| path.to_owned());
        Self { path }
    }

    /// As problems name it.
    pub(super) fn name(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => "standard input".to_owned(),
        }
    }

    /// The text that is there.
    ///
    /// # Errors
    /// Where it cannot be read, is no regular file, or is longer than any such file.
    pub(super) fn read(&self) -> Result<String, CommandError> {
        let bytes = match &self.path {
            Some(path) => {
                let failed = |error| CommandError::file("read", path, error);
                let bytes = regular::read(path, file::LARGEST).map_err(failed)?;
                bytes.ok_or_else(|| failed(regular::missing()))?
            }
            None => from_stdin().map_err(|error| {
                let error = anyhow::Error::new(error).context("cannot read standard input");
                CommandError::new(Status::Failed, error)
            })?,
        };
        let text = String::from_utf8(bytes)
            .map_err(|_| CommandError::usage(format!("{} is not text in UTF-8", self.name())))?;
        Ok(match text.strip_prefix('\u{feff}') {
            Some(text) => text.to_owned(),
            None => text,
        })
    }

    /// The keys of issuers that the file's policies name, by the name of their file. Relative names count from the
    /// directory of the file, those in standard input from the present directory.
    pub(super) fn issuers_keys(&self, file: &File) -> (BTreeMap<PathBuf, Value>, Vec<Problem>) {
        let (mut found, mut problems) = (BTreeMap::new(), Vec::new());
        let policies = file.org.values().filter_map(|org| org.trust.as_ref());
        let policies = policies.flat_map(BTreeMap::values);
        for name in policies.filter_map(|policy| policy.jwks.as_ref()) {
            match self.keys(name) {
                Ok(keys) => {
                    found.insert(name.value.clone(), keys);
                }
                Err(reason) => problems.push(name.spot.problem(reason)),
            }
        }
        (found, problems)
    }

    fn keys(&self, name: &Said<PathBuf>) -> Result<Value, String> {
        let directory = self.path.as_deref().and_then(Path::parent);
        let place = directory.unwrap_or(Path::new("")).join(&name.value);
        let shown = place.display();
        let failed = |error: io::Error| format!("cannot read the keys in {shown}: {error}");
        let text = regular::read(&place, LARGEST_KEYS).map_err(failed)?;
        let text = text.ok_or_else(|| failed(regular::missing()))?;
        let keys = serde_json::from_slice(&text).map_err(|_| format!("{shown} is not JSON"))?;
        // A secret key in it is refused, too, and not repeated.
        KeySet::read(&keys).map_err(|error| format!("{shown}: {error}"))?;
        Ok(keys)
    }
}

fn from_stdin() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = file::LARGEST;
    io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(Refused::TooLong { limit }.into());
    }
    Ok(bytes)
}
