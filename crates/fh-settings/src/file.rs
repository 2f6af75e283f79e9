//! The TOML file.

use std::io;
use std::path::Path;

use fh_file as files;
use toml::de::{DeTable, DeValue};

use super::{ConfigError, Given, OPTIONS, Origin, option};

/// Reads a configuration file. Relative paths in it count from its directory.
///
/// # Errors
/// When it cannot be read or is larger than any configuration, is no TOML, or holds a key or a kind of value that is not known. Whether
/// the values make sense is for [`resolve`](super::resolve()) to say.
pub fn read_file(path: &Path) -> Result<Vec<Given>, ConfigError> {
    let read = files::read(path, files::LARGEST).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    });
    let text = read.map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(path, &text)
}

/// Parses the text of a configuration file.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Given>, ConfigError> {
    let line_at = |offset: usize| {
        1 + text
            .bytes()
            .take(offset)
            .filter(|byte| *byte == b'\n')
            .count()
    };
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: line_at(error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;

    // The table is sorted by key; errors and lists are better told in the order of the file.
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);

    let mut given = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let line = line_at(key.span().start);
        let Some(option) = option(key.get_ref()) else {
            return Err(ConfigError::UnknownKey {
                path: path.to_owned(),
                line,
                key: key.get_ref().to_string(),
                similar: similar(key.get_ref()),
            });
        };
        let origin = Origin::File {
            path: path.to_owned(),
            line,
        };
        let texts = match (value.get_ref(), option.repeated) {
            (DeValue::Array(values), true) => {
                values.iter().map(|value| scalar(value.get_ref())).collect()
            }
            (value, _) => scalar(value).map(|text| vec![text]),
        };
        let mut texts = texts.ok_or_else(|| ConfigError::Value {
            key: option.key,
            origin: origin.clone(),
            message: if option.repeated {
                "a string or an array of strings is needed here".to_owned()
            } else {
                "a string or a whole number is needed here".to_owned()
            },
        })?;
        if option.is_path {
            for text in &mut texts {
                *text = beside(path, text);
            }
        }
        given.push(Given {
            option,
            texts,
            origin,
        });
    }
    Ok(given)
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        // A number in another base than ten keeps its digits only, so it is no number we know.
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        _ => None,
    }
}

/// An empty text stays empty, so that it is refused as such.
fn beside(file: &Path, text: &str) -> String {
    match file.parent() {
        Some(directory) if !text.is_empty() && Path::new(text).is_relative() => {
            directory.join(text).display().to_string()
        }
        _ => text.to_owned(),
    }
}

/// A known key that differs only in how words are joined, or in one or two letters.
fn similar(key: &str) -> Option<&'static str> {
    let joined = key.to_lowercase().replace('_', "-");
    OPTIONS
        .iter()
        .map(|option| (distance(&joined, option.key), option.key))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, key)| key)
}

/// Levenshtein's distance, in bytes.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        let mut before = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(right.bytes()) {
            let cost = (diagonal + usize::from(a != b))
                .min(before + 1)
                .min(*cell + 1);
            diagonal = *cell;
            *cell = cost;
            before = cost;
        }
    }
    row.last().copied().unwrap_or(0)
}
