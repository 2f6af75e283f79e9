//! narinfo files, which a binary cache serves for each path: `src/libstore/nar-info.cc`.
//!
//! Lines of `Key: value`. Nix's rules hold: `StorePath`, `URL`, `NarHash` and a `NarSize` other than 0 are mandatory, a
//! missing or empty `Compression` means bzip2, `Deriver: unknown-deriver` means none, `Sig` may repeat, unknown keys are
//! skipped. Stricter than Nix, which lets the last one win, a known key other than `Sig` may stand there once only, and
//! numbers are plain digits: two readers must never see two different paths in one file.
//!
//! No value that [`NarInfo::to_text`] writes can hold a line break: all but the URL are types whose texts have none, and
//! the URL's control characters and spaces are percent-encoded.

use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use crate::error::{Error, Result, quoted};
use crate::{NarHash, PathInfo, StoreDir};

/// A path info, and where and how its NAR can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NarInfo {
    /// What is known of the path.
    pub info: PathInfo,
    /// Where the NAR is: a URL, relative to the cache's root or absolute.
    pub url: String,
    /// How the file at `url` is compressed.
    pub compression: Compression,
    /// SHA-256 of the file at `url`, as it is compressed.
    pub file_hash: Option<NarHash>,
    /// Bytes of the file at `url`.
    pub file_size: Option<u64>,
}

/// The compression methods that Nix can undo, by libarchive or by itself: `src/libutil/compression.cc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// `none`
    None,
    /// `br`
    Brotli,
    /// `bzip2`, which is also what a narinfo without `Compression` means.
    Bzip2,
    /// `compress`
    Compress,
    /// `grzip`
    Grzip,
    /// `gzip`
    Gzip,
    /// `lrzip`
    Lrzip,
    /// `lz4`
    Lz4,
    /// `lzip`
    Lzip,
    /// `lzma`
    Lzma,
    /// `lzop`
    Lzop,
    /// `xz`
    Xz,
    /// `zstd`
    Zstd,
}

impl Compression {
    /// Every compression that Nix can name in a narinfo.
    pub const ALL: [Self; 13] = [
        Self::None,
        Self::Brotli,
        Self::Bzip2,
        Self::Compress,
        Self::Grzip,
        Self::Gzip,
        Self::Lrzip,
        Self::Lz4,
        Self::Lzip,
        Self::Lzma,
        Self::Lzop,
        Self::Xz,
        Self::Zstd,
    ];

    /// The name in narinfos.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Brotli => "br",
            Self::Bzip2 => "bzip2",
            Self::Compress => "compress",
            Self::Grzip => "grzip",
            Self::Gzip => "gzip",
            Self::Lrzip => "lrzip",
            Self::Lz4 => "lz4",
            Self::Lzip => "lzip",
            Self::Lzma => "lzma",
            Self::Lzop => "lzop",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|compression| compression.as_str() == text)
            .ok_or_else(|| Error::Compression { name: quoted(text) })
    }
}

impl NarInfo {
    /// Reads a narinfo of a cache for `store_dir`.
    ///
    /// # Errors
    /// When Nix would refuse the file, or it is ambiguous; the error names the line and the key.
    pub fn parse(text: &str, store_dir: &StoreDir) -> Result<Self> {
        let mut fields = Fields::default();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            fields
                .take_line(line, store_dir)
                .map_err(|problem| Error::NarInfo {
                    line: Some(index + 1),
                    problem,
                })?;
        }
        fields.finish().map_err(|problem| Error::NarInfo {
            line: None,
            problem,
        })
    }

    /// The narinfo's text, in the order in which Nix writes the keys.
    #[must_use]
    pub fn to_text(&self, store_dir: &StoreDir) -> String {
        let mut text = String::with_capacity(512 + 64 * self.info.references.len());
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, store_dir);
        text
    }

    fn write(&self, text: &mut String, store_dir: &StoreDir) -> fmt::Result {
        let info = &self.info;
        writeln!(text, "StorePath: {store_dir}/{}", info.path)?;
        text.push_str("URL: ");
        push_url(text, &self.url);
        writeln!(text, "\nCompression: {}", self.compression)?;
        if let Some(hash) = &self.file_hash {
            writeln!(text, "FileHash: {hash}")?;
        }
        if let Some(size) = self.file_size {
            writeln!(text, "FileSize: {size}")?;
        }
        writeln!(text, "NarHash: {}", info.nar_hash)?;
        writeln!(text, "NarSize: {}", info.nar_size)?;
        text.push_str("References:");
        for reference in &info.references {
            write!(text, " {reference}")?;
        }
        // Nix takes a value to start two bytes after its key, so an empty one has its space too.
        text.push_str(if info.references.is_empty() {
            " \n"
        } else {
            "\n"
        });
        if let Some(deriver) = &info.deriver {
            writeln!(text, "Deriver: {deriver}")?;
        }
        for signature in &info.signatures {
            writeln!(text, "Sig: {signature}")?;
        }
        if let Some(ca) = &info.ca {
            writeln!(text, "CA: {ca}")?;
        }
        Ok(())
    }
}

/// Appends `url`, with what must not stand in a URL, and could end the line, percent-encoded.
fn push_url(text: &mut String, url: &str) {
    for character in url.chars() {
        if character.is_control() || character.is_whitespace() {
            let mut buffer = [0; 4];
            for byte in character.encode_utf8(&mut buffer).bytes() {
                let _ = write!(text, "%{byte:02X}");
            }
        } else {
            text.push(character);
        }
    }
}

/// The fields of a narinfo as far as it was read.
#[derive(Default)]
struct Fields {
    path: Option<crate::StorePath>,
    url: Option<String>,
    compression: Option<Compression>,
    file_hash: Option<NarHash>,
    file_size: Option<u64>,
    nar_hash: Option<NarHash>,
    nar_size: Option<u64>,
    references: Option<BTreeSet<crate::StorePath>>,
    deriver: Option<Option<crate::StorePath>>,
    signatures: Vec<crate::Signature>,
    ca: Option<Option<crate::ContentAddress>>,
}

impl Fields {
    fn take_line(&mut self, line: &str, store_dir: &StoreDir) -> Result<(), String> {
        let line = line
            .strip_suffix('\n')
            .ok_or("it does not end with a line break")?;
        let (key, rest) = line.split_once(':').ok_or("there is no colon")?;
        let value = || {
            rest.strip_prefix(' ')
                .ok_or_else(|| format!("{key}: there is no space"))
        };
        let error = |error: Error| format!("{key}: {error}");
        match key {
            "StorePath" => {
                let path = store_dir.parse_path(value()?).map_err(error)?;
                once(key, &mut self.path, path)
            }
            "URL" => once(key, &mut self.url, parse_url(value()?)?),
            "Compression" => {
                let compression = match value()? {
                    "" => Compression::Bzip2,
                    name => name.parse().map_err(error)?,
                };
                once(key, &mut self.compression, compression)
            }
            "FileHash" => once(key, &mut self.file_hash, value()?.parse().map_err(error)?),
            "FileSize" => once(key, &mut self.file_size, parse_size(key, value()?)?),
            "NarHash" => once(key, &mut self.nar_hash, value()?.parse().map_err(error)?),
            "NarSize" => once(key, &mut self.nar_size, parse_size(key, value()?)?),
            "References" => {
                let references = value()?
                    .split(' ')
                    .filter(|name| !name.is_empty())
                    .map(str::parse)
                    .collect::<Result<_>>()
                    .map_err(error)?;
                once(key, &mut self.references, references)
            }
            "Deriver" => {
                let deriver = match value()? {
                    "unknown-deriver" => None,
                    name => Some(name.parse().map_err(error)?),
                };
                once(key, &mut self.deriver, deriver)
            }
            "Sig" => {
                self.signatures.push(value()?.parse().map_err(error)?);
                Ok(())
            }
            "CA" => {
                let ca = match value()? {
                    "" => None,
                    text => Some(text.parse().map_err(error)?),
                };
                once(key, &mut self.ca, ca)
            }
            _ => Ok(()),
        }
    }

    fn finish(self) -> Result<NarInfo, String> {
        let missing = |key: &str| format!("{key} is missing");
        Ok(NarInfo {
            info: PathInfo {
                path: self.path.ok_or_else(|| missing("StorePath"))?,
                nar_hash: self.nar_hash.ok_or_else(|| missing("NarHash"))?,
                nar_size: self
                    .nar_size
                    .filter(|&size| size != 0)
                    .ok_or_else(|| "NarSize is missing or 0".to_owned())?,
                references: self.references.unwrap_or_default(),
                deriver: self.deriver.flatten(),
                signatures: self.signatures,
                ca: self.ca.flatten(),
            },
            url: self.url.ok_or_else(|| missing("URL"))?,
            compression: self.compression.unwrap_or(Compression::Bzip2),
            file_hash: self.file_hash,
            file_size: self.file_size,
        })
    }
}

/// Puts `value` where nothing was yet.
fn once<T>(key: &str, place: &mut Option<T>, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{key} appears twice")),
    }
}

fn parse_url(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("URL: it is empty".to_owned());
    }
    if text
        .chars()
        .any(|character| character.is_control() || character.is_whitespace())
    {
        return Err(format!(
            "URL: {} holds a space or a control character",
            quoted(text)
        ));
    }
    Ok(text.to_owned())
}

/// A number of bytes: digits alone, without the sign that Rust would accept.
fn parse_size(key: &str, text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or_else(|| format!("{key}: {} is not a number of bytes", quoted(text)))
}

#[cfg(test)]
mod tests;
