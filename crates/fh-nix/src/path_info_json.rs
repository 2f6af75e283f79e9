//! The output of `nix path-info --json`, in every shape that is in the field: `src/nix/path-info.cc`, and
//! `src/libstore/store-api.cc` (Nix 2.8), `src/libstore/path-info.cc` (newer).
//!
//! | Nix | shape | paths | absent path |
//! |---|---|---|---|
//! | up to 2.18 | array of objects with `path` | full | `{"path": …, "valid": false}` |
//! | from 2.19 | object keyed by path | full | `null` |
//! | `--json-format 2`, and 3 | `{"info": {…}, "storeDir": …, "version": …}` | base names | `null` |
//!
//! In the last one, `ca` and, from 3 on, `signatures` are objects instead of texts. The shape is detected. Fields that
//! do not matter here are skipped unread; those that do are checked, and one bad field fails the whole: a closure with
//! a path left out would be no closure.
//!
//! Entries are read one by one, so at no time is there more than one of them in memory as JSON values.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::{Error, Result, quoted};
use crate::{ContentAddress, NarHash, PathInfo, Signature, StoreDir, StorePath};

/// What `nix path-info --json` told, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathInfos {
    /// The paths that are in the store.
    pub valid: Vec<PathInfo>,
    /// The paths that were asked for, but are not in the store.
    pub invalid: Vec<StorePath>,
}

/// Reads the output of `nix path-info --json`, whichever Nix wrote it.
///
/// # Errors
/// When it is no JSON or none of the known shapes, when a path lies outside of `store_dir` or appears twice, and
/// when a field that a [`PathInfo`] needs is missing or bad; the error names the path and the field.
pub fn parse_path_infos(json: &[u8], store_dir: &StoreDir) -> Result<PathInfos> {
    let mut collector = Collector {
        store_dir,
        infos: PathInfos::default(),
        seen: HashSet::new(),
        failure: None,
    };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let outcome = deserializer
        .deserialize_any(TopLevel(&mut collector))
        .and_then(|()| deserializer.end());
    match (collector.failure, outcome) {
        (Some(error), _) => Err(error),
        (None, Err(error)) if error.is_data() => Err(shape(error.to_string())),
        (None, Err(error)) => Err(Error::Json(error)),
        (None, Ok(())) => Ok(collector.infos),
    }
}

fn shape(problem: impl Into<String>) -> Error {
    Error::PathInfoShape {
        problem: problem.into(),
    }
}

/// How an entry names store paths.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    Full,
    BaseName,
}

/// Takes entries as they are read.
struct Collector<'a> {
    store_dir: &'a StoreDir,
    infos: PathInfos,
    seen: HashSet<StorePath>,
    /// The first error of this crate's own. Serde gets a placeholder for it, to stop the reading.
    failure: Option<Error>,
}

impl Collector<'_> {
    /// Turns an error of this crate into one of serde's.
    fn checked<T, E: serde::de::Error>(&mut self, result: Result<T>) -> Result<T, E> {
        result.map_err(|error| {
            let placeholder = E::custom("see the failure");
            self.failure.get_or_insert(error);
            placeholder
        })
    }

    fn take_element(&mut self, element: &Value) -> Result<()> {
        let object = element
            .as_object()
            .ok_or_else(|| shape("an element of the array is not an object"))?;
        let path =
            field(element, "path").ok_or_else(|| shape("an element of the array has no path"))?;
        let valid = object.get("valid") != Some(&Value::Bool(false));
        self.take_entry(path, valid.then_some(object), Naming::Full)
    }

    fn take_keyed(&mut self, path: &str, value: &Value, naming: Naming) -> Result<()> {
        match value {
            Value::Null => self.take_entry(path, None, naming),
            Value::Object(object) => self.take_entry(path, Some(object), naming),
            _ => Err(shape(format!(
                "the entry of {} is neither an object nor null",
                quoted(path)
            ))),
        }
    }

    /// Takes what is told of `path`: an object, or nothing when it is not in the store.
    fn take_entry(
        &mut self,
        path: &str,
        object: Option<&Map<String, Value>>,
        naming: Naming,
    ) -> Result<()> {
        let store_path = parse_path(path, naming, self.store_dir)?;
        if !self.seen.insert(store_path.clone()) {
            return Err(shape(format!("{} appears twice", quoted(path))));
        }
        match object {
            None => self.infos.invalid.push(store_path),
            Some(object) => {
                let entry = Entry {
                    path,
                    object,
                    naming,
                    store_dir: self.store_dir,
                };
                self.infos.valid.push(entry.parse(store_path)?);
            }
        }
        Ok(())
    }
}

/// The array of Nix 2.8, or one of the two objects of newer versions.
struct TopLevel<'a, 'b>(&'a mut Collector<'b>);

impl<'de> Visitor<'de> for TopLevel<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the array or object that nix path-info --json prints")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<Value>()? {
            let taken = self.0.take_element(&element);
            self.0.checked(taken)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let collector = self.0;
        let (mut keyed, mut info, mut store_dir, mut version) = (false, false, None, None);
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                path if path.starts_with('/') => {
                    keyed = true;
                    let value: Value = entries.next_value()?;
                    let taken = collector.take_keyed(path, &value, Naming::Full);
                    collector.checked(taken)?;
                }
                "info" if info => return Err(A::Error::duplicate_field("info")),
                "info" => {
                    info = true;
                    entries.next_value_seed(Info(collector))?;
                }
                "storeDir" => store_dir = Some(entries.next_value::<String>()?),
                "version" => version = Some(entries.next_value::<u64>()?),
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                    // Not in the keyed shape, so it must be the other one.
                    version = version.or(Some(0));
                }
            }
        }
        let wrapped = info || store_dir.is_some() || version.is_some();
        if !wrapped {
            return Ok(());
        }
        let problem = if keyed {
            "it mixes two shapes".to_owned()
        } else if !info {
            "there are neither full store paths nor info".to_owned()
        } else if !matches!(version, Some(2 | 3)) {
            format!("its version is {version:?}, but only 2 and 3 are supported")
        } else if store_dir.as_deref() != Some(collector.store_dir.as_str()) {
            format!(
                "its storeDir is {store_dir:?} instead of {:?}",
                collector.store_dir.as_str()
            )
        } else {
            return Ok(());
        };
        collector.checked(Err(shape(problem)))
    }
}

/// The object `info` of format 2, keyed by base name.
struct Info<'a, 'b>(&'a mut Collector<'b>);

impl<'de> DeserializeSeed<'de> for Info<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Info<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of path infos by base name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some((path, value)) = entries.next_entry::<String, Value>()? {
            let taken = self.0.take_keyed(&path, &value, Naming::BaseName);
            self.0.checked(taken)?;
        }
        Ok(())
    }
}

fn parse_path(text: &str, naming: Naming, store_dir: &StoreDir) -> Result<StorePath> {
    match naming {
        Naming::Full => store_dir.parse_path(text),
        Naming::BaseName => text.parse(),
    }
}

/// One valid path's object.
struct Entry<'a> {
    path: &'a str,
    object: &'a Map<String, Value>,
    naming: Naming,
    store_dir: &'a StoreDir,
}

impl Entry<'_> {
    fn parse(&self, path: StorePath) -> Result<PathInfo> {
        if let Some(store_dir) = self.value("storeDir")
            && store_dir.as_str() != Some(self.store_dir.as_str())
        {
            return Err(self.error("storeDir", format!("it is {store_dir}")));
        }
        Ok(PathInfo {
            path,
            nar_hash: self.required("narHash", parse_nar_hash)?,
            nar_size: self.required("narSize", |value| match value.as_u64() {
                Some(0) => Err("it is 0, so this store does not know it".to_owned()),
                Some(size) => Ok(size),
                None => Err(format!("{} is not a number of bytes", shown(value))),
            })?,
            references: self.required("references", |value| {
                each(value, |element| self.parse_path(element))
            })?,
            deriver: self.optional("deriver", |value| self.parse_path(value))?,
            signatures: self
                .optional("signatures", |value| each(value, parse_signature))?
                .unwrap_or_default(),
            ca: self.optional("ca", parse_content_address)?,
        })
    }

    /// The value of a field that may be missing, null meaning the same.
    fn value(&self, field: &str) -> Option<&Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    fn optional<T>(
        &self,
        field: &'static str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Result<Option<T>> {
        let parsed = self.value(field).map(parse).transpose();
        parsed.map_err(|problem| self.error(field, problem))
    }

    fn required<T>(
        &self,
        field: &'static str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Result<T> {
        self.optional(field, parse)?
            .ok_or_else(|| self.error(field, "it is missing".to_owned()))
    }

    fn error(&self, field: &'static str, problem: String) -> Error {
        Error::PathInfoField {
            path: quoted(self.path),
            field,
            problem,
        }
    }

    fn parse_path(&self, value: &Value) -> Result<StorePath, String> {
        parse_path(text(value)?, self.naming, self.store_dir).map_err(|error| error.to_string())
    }
}

/// A hash: a text, or, in some versions of format 2, an object of `algorithm`, `format` and `hash`.
fn parse_nar_hash(value: &Value) -> Result<NarHash, String> {
    match (field(value, "algorithm"), field(value, "hash")) {
        (Some(algorithm), Some(digest)) => parse(&format!("{algorithm}:{digest}")),
        _ => parse(text(value)?),
    }
}

/// A signature: a text, or, in format 3, an object of `keyName` and `sig`.
fn parse_signature(value: &Value) -> Result<Signature, String> {
    match (field(value, "keyName"), field(value, "sig")) {
        (Some(name), Some(base64)) if !name.contains(':') => parse(&format!("{name}:{base64}")),
        _ => parse(text(value)?),
    }
}

/// A content address: a text, or, from format 2 on, an object of `method` and `hash`.
fn parse_content_address(value: &Value) -> Result<ContentAddress, String> {
    let Some(method) = field(value, "method") else {
        return parse(text(value)?);
    };
    let prefix = match method {
        "flat" => "fixed:",
        "nar" => "fixed:r:",
        "git" => "fixed:git:",
        "text" => "text:",
        _ => return Err(format!("its method {} is unknown", quoted(method))),
    };
    let hash = value.get("hash").unwrap_or(&Value::Null);
    match (field(hash, "algorithm"), field(hash, "hash")) {
        (Some(algorithm), Some(digest)) => parse(&format!("{prefix}{algorithm}:{digest}")),
        _ => {
            let sri = text(hash)?;
            let (algorithm, digest) = sri
                .split_once(['-', ':'])
                .ok_or_else(|| format!("{} has no hash algorithm", quoted(sri)))?;
            parse(&format!("{prefix}{algorithm}:{digest}"))
        }
    }
}

/// A text inside of an object.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn text(value: &Value) -> Result<&str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("{} is not a text", shown(value)))
}

fn each<T, C: FromIterator<T>>(
    value: &Value,
    parse: impl Fn(&Value) -> Result<T, String>,
) -> Result<C, String> {
    let elements = value.as_array();
    elements
        .ok_or_else(|| format!("{} is not an array", shown(value)))?
        .iter()
        .map(parse)
        .collect()
}

fn parse<T: FromStr<Err = Error>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

/// A value for a message.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests;
