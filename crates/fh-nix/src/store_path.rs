//! Store directories and store paths: `src/libstore/path.cc` (`checkName`, `StorePath`), `src/libstore/store-dir-config.cc`.
//!
//! A [`StorePath`] knows nothing of the directory it lies in: it is the base name, `<hash>-<name>`, where the hash is 160
//! bits in Nix's base32. Only a [`StoreDir`] turns it into a full path and back.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::base32;
use crate::error::{Error, Result};

/// Characters of a store path's hash part.
const HASH_LENGTH: usize = 32;

/// The longest name part that Nix allows, in bytes: with hash and dash, it leaves room in a file name of 255 bytes for
/// suffixes such as `.lock` and `.chroot`.
const NAME_LENGTH: usize = 211;

/// A store directory, mostly `/nix/store`: an absolute path without trailing or doubled slashes, `.`, `..`, spaces or
/// control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreDir(String);

impl Default for StoreDir {
    fn default() -> Self {
        Self("/nix/store".to_owned())
    }
}

impl StoreDir {
    /// Takes `directory` as it is.
    ///
    /// # Errors
    /// When it is not as the type says.
    pub fn new(directory: &str) -> Result<Self> {
        let is_blank = |character: char| character.is_control() || character.is_whitespace();
        let mut components = directory.split('/').skip(1);
        let problem = if !directory.starts_with('/') {
            "it does not start with /"
        } else if directory.len() > 4095 {
            "it is too long for a path"
        } else if directory.contains(is_blank) {
            "it holds a space or a control character"
        } else if components.any(|component| matches!(component, "" | "." | "..")) {
            "it has an empty component, . or .., or ends with /"
        } else {
            return Ok(Self(directory.to_owned()));
        };
        Err(Error::invalid("a store directory", directory, problem))
    }

    /// The absolute path of the store directory.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The store path that the full path `path` names.
    ///
    /// # Errors
    /// When `path` does not lie directly in this directory, or its base name is no store path. Paths below a store path
    /// are not accepted, nor are doubled or trailing slashes.
    pub fn parse_path(&self, path: &str) -> Result<StorePath> {
        path.strip_prefix(self.as_str())
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(|| invalid(path, format!("it is not in {self}")))?
            .parse()
    }

    /// The full path of `path` in this directory.
    #[must_use]
    pub fn display(&self, path: &StorePath) -> String {
        format!("{self}/{path}")
    }
}

impl fmt::Display for StoreDir {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for StoreDir {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

/// The hash part of a store path: 160 bits, 32 characters as text.
///
/// Ordered like its text, which is Nix's order of store paths.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StorePathHash([u8; 20]);

impl StorePathHash {
    /// The hash of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes that the 32 characters stand for.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl Ord for StorePathHash {
    fn cmp(&self, other: &Self) -> Ordering {
        // The text's first digit is the top of the last byte, and the digits ascend in ASCII.
        self.0.iter().rev().cmp(other.0.iter().rev())
    }
}

impl PartialOrd for StorePathHash {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for StorePathHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&base32::encode(&self.0))
    }
}

impl FromStr for StorePathHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        base32::decode_array(text).map(Self)
    }
}

/// A store path without its directory: `<hash>-<name>`.
///
/// The name has 1 to 211 characters of `0-9a-zA-Z+-._?=`, and its first part, up to a dash, is neither `.` nor `..`.
/// Ordered like its text, as Nix orders references.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StorePath {
    hash: StorePathHash,
    name: Box<str>,
}

impl StorePath {
    /// The path with this hash and this name.
    ///
    /// # Errors
    /// When Nix would not accept the name.
    pub fn new(hash: StorePathHash, name: &str) -> Result<Self> {
        check_name(name).map_err(|problem| invalid(&format!("{hash}-{name}"), problem))?;
        Ok(Self {
            hash,
            name: name.into(),
        })
    }

    /// The hash part: the 32 characters before the dash.
    #[must_use]
    pub const fn hash(&self) -> StorePathHash {
        self.hash
    }

    /// The name part, after the dash.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this names a derivation (`.drv`).
    #[must_use]
    pub fn is_derivation(&self) -> bool {
        self.name.ends_with(".drv")
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.hash, self.name)
    }
}

impl FromStr for StorePath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let error = |problem: &'static str| invalid(text, problem);
        let (hash, rest) = text
            .split_at_checked(HASH_LENGTH)
            .ok_or_else(|| error("it is too short to hold a hash"))?;
        let hash = hash
            .parse()
            .map_err(|_| error("its first 32 characters are not Nix base32"))?;
        let name = rest
            .strip_prefix('-')
            .ok_or_else(|| error("there is no dash after the hash"))?;
        check_name(name).map_err(error)?;
        Ok(Self {
            hash,
            name: name.into(),
        })
    }
}

fn invalid(path: &str, problem: impl Into<Cow<'static, str>>) -> Error {
    Error::invalid("a store path", path, problem)
}

/// Whether Nix accepts a name after the hash.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte);
    Err(if name.is_empty() {
        "the name after the hash is empty"
    } else if name.len() > NAME_LENGTH {
        "the name after the hash is longer than 211 characters"
    } else if matches!(name.split('-').next(), Some("." | "..")) {
        "the name after the hash starts with . or .. as its first part"
    } else if !name.bytes().all(allowed) {
        "the name after the hash holds a character other than 0-9, a-z, A-Z, +-._?="
    } else {
        return Ok(());
    })
}

#[cfg(test)]
mod tests;
