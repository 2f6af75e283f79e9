//! narinfo files, which a binary cache serves for each path: `src/libstore/nar-info.cc`.
//!
//! Lines of `Key: value`. Nix's rules hold: `StorePath`, `URL`, `NarHash` and a `NarSize` other than 0 are mandatory, a
//! missing or empty `Compression` means bzip2, `Deriver: unknown-deriver` means none, `Sig` may repeat, unknown keys are
//! skipped. Stricter than Nix, which lets the last one win, a known key other than `Sig` may stand there once only, and
//! numbers are plain digits: two readers must never see two different paths in one file.
//!
//! No value that [`NarInfo::to_text`] writes can hold a line break: all but the URL are types whose texts have none, and
//! the URL's control characters and spaces are percent-encoded.

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
    /// `none`: the file is the NAR itself.
    None,
    /// `br`, as in HTTP (RFC 7932).
    Brotli,
    /// `bzip2`, which is also what a narinfo without `Compression` means.
    Bzip2,
    /// `compress`, as the Unix program of that name writes it (`.Z`).
    Compress,
    /// `grzip`, which libarchive leaves to the program of that name.
    Grzip,
    /// `gzip`, as in HTTP (RFC 1952).
    Gzip,
    /// `lrzip`, which libarchive leaves to the program of that name.
    Lrzip,
    /// `lz4`, in frames of that format.
    Lz4,
    /// `lzip`: LZMA with a checksum behind it.
    Lzip,
    /// `lzma`: the format of before `xz`.
    Lzma,
    /// `lzop`, which libarchive leaves to the program of that name or to liblzo2.
    Lzop,
    /// `xz`, what Nix writes if nothing else is asked for.
    Xz,
    /// `zstd`, what this product's caches serve (RFC 8878).
    Zstd,
}

impl Compression {
    /// Every compression, in the order of the variants, with the name that Nix has for it in a narinfo.
    const NAMES: [(Self, &'static str); 13] = [
        (Self::None, "none"),
        (Self::Brotli, "br"),
        (Self::Bzip2, "bzip2"),
        (Self::Compress, "compress"),
        (Self::Grzip, "grzip"),
        (Self::Gzip, "gzip"),
        (Self::Lrzip, "lrzip"),
        (Self::Lz4, "lz4"),
        (Self::Lzip, "lzip"),
        (Self::Lzma, "lzma"),
        (Self::Lzop, "lzop"),
        (Self::Xz, "xz"),
        (Self::Zstd, "zstd"),
    ];

    /// The name in narinfos.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        Self::NAMES[self as usize].1
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
        Self::NAMES
            .into_iter()
            .find_map(|(compression, name)| (name == text).then_some(compression))
            .ok_or_else(|| Error::Compression { name: quoted(text) })
    }
}

impl NarInfo {
    /// Reads a narinfo of a cache for `store_dir`.
    ///
    /// # Errors
    /// When Nix would refuse the file, or it is ambiguous; the error names the line and the key.
    pub fn parse(text: &str, store_dir: &StoreDir) -> Result<Self> {
        let fields = Fields::read(text)?;
        let references = |names: &str| {
            let names = names.split(' ').filter(|name| !name.is_empty());
            names.map(str::parse).collect::<Result<_>>()
        };
        let deriver = |name: &str| match name {
            "unknown-deriver" => Ok(None),
            name => name.parse().map(Some),
        };
        let compression = |name: &str| match name {
            "" => Ok(Compression::Bzip2),
            name => name.parse(),
        };
        let ca = |text: &str| match text {
            "" => Ok(None),
            text => text.parse().map(Some),
        };
        Ok(Self {
            info: PathInfo {
                path: fields.required("StorePath", |path| store_dir.parse_path(path))?,
                nar_hash: fields.required("NarHash", str::parse)?,
                nar_size: fields
                    .optional("NarSize", parse_size)?
                    .filter(|&size| size != 0)
                    .ok_or_else(|| corrupt(None, "NarSize is missing or 0"))?,
                references: fields
                    .optional("References", references)?
                    .unwrap_or_default(),
                deriver: fields.optional("Deriver", deriver)?.flatten(),
                signatures: fields.all("Sig", str::parse).collect::<Result<_>>()?,
                ca: fields.optional("CA", ca)?.flatten(),
            },
            url: fields.required("URL", parse_url)?,
            compression: fields
                .optional("Compression", compression)?
                .unwrap_or(Compression::Bzip2),
            file_hash: fields.optional("FileHash", str::parse)?,
            file_size: fields.optional("FileSize", parse_size)?,
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

/// The lines of a narinfo. What stands behind the colon of a key is looked at when the key is asked for.
struct Fields<'a>(Vec<Field<'a>>);

struct Field<'a> {
    /// The number of the line, counted from 1.
    line: usize,
    key: &'a str,
    /// With the space before it.
    value: &'a str,
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Result<Self> {
        let lines = text.split_inclusive('\n').enumerate();
        let fields = lines.map(|(index, whole)| {
            let line = index + 1;
            let content = whole
                .strip_suffix('\n')
                .ok_or_else(|| corrupt(Some(line), "it does not end with a line break"))?;
            let (key, value) = content
                .split_once(':')
                .ok_or_else(|| corrupt(Some(line), "there is no colon"))?;
            Ok(Field { line, key, value })
        });
        fields.collect::<Result<_>>().map(Self)
    }

    /// Every value of a key.
    fn all<T, E: fmt::Display>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> impl Iterator<Item = Result<T>> {
        let fields = self.0.iter().filter(move |field| field.key == key);
        fields.map(move |field| {
            let error = |problem: String| corrupt(Some(field.line), format!("{key}: {problem}"));
            let value = field.value.strip_prefix(' ');
            let value = value.ok_or_else(|| error("there is no space".to_owned()))?;
            parse(value).map_err(|problem| error(problem.to_string()))
        })
    }

    /// The value of a key that may stand there once.
    fn optional<T, E: fmt::Display>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>> {
        if let Some(again) = self.0.iter().filter(|field| field.key == key).nth(1) {
            let problem = format!("{key} appears twice");
            return Err(corrupt(Some(again.line), problem));
        }
        self.all(key, parse).next().transpose()
    }

    fn required<T, E: fmt::Display>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T> {
        self.optional(key, parse)?
            .ok_or_else(|| corrupt(None, format!("{key} is missing")))
    }
}

fn corrupt(line: Option<usize>, problem: impl Into<String>) -> Error {
    Error::NarInfo {
        line,
        problem: problem.into(),
    }
}

fn parse_url(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text
        .chars()
        .any(|character| character.is_control() || character.is_whitespace())
    {
        return Err(format!(
            "{} holds a space or a control character",
            quoted(text)
        ));
    }
    Ok(text.to_owned())
}

/// A number of bytes: digits alone, without the sign that Rust would accept.
fn parse_size(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or_else(|| format!("{} is not a number of bytes", quoted(text)))
}

#[cfg(test)]
mod tests;
