//! Realisations: to which path an output of a derivation was built, where that path is not known from the derivation
//! alone (content-addressed derivations, and what depends on them): `src/libstore/realisation.cc`.
//!
//! | Nix | key | address in a binary cache | value |
//! |---|---|---|---|
//! | 2.4 to 2.34 | `sha256:<hash of the derivation modulo its inputs, hex>!<output>` | `realisations/<key>.doi` | `{"dependentRealisations", "id", "outPath", "signatures"}` |
//! | from 2.35 | `<base name of the derivation>^<output>` | `build-trace-v2/<derivation>/<output>.doi` | `{"outPath", "signatures"}` |
//!
//! What is signed is the JSON of key and value without the signatures, with sorted keys and without blanks. Up to 2.33
//! `dependentRealisations` could hold realisations of inputs, and was signed too. Nix needs none there: it reads an
//! empty object as "nothing else to check". Here it is always empty.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::signature::any_verifies;
use crate::store_path::check_name;
use crate::{PublicKey, SecretKey, Signature, StorePath};

/// One output of one derivation: the key of a realisation, in one of the two forms.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DrvOutput {
    /// `sha256:<hex>!<output>`, up to Nix 2.34.
    Hash {
        /// SHA-256 of the derivation modulo its inputs.
        derivation: [u8; 32],
        /// Which of its outputs it is.
        output: OutputName,
    },
    /// `<hash>-<name>.drv^<output>`, from Nix 2.35 on.
    Path {
        /// The derivation, by its own store path.
        derivation: StorePath,
        /// Which of its outputs it is.
        output: OutputName,
    },
}

impl DrvOutput {
    /// The key that Nix up to 2.34 uses. `derivation`: with `sha256:` before its hex digits.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is no SHA-256 in lower case, or the output has a bad name.
    pub fn of_hash(derivation: &str, output: &str) -> Result<Self> {
        let bad = || realisation(derivation, "its hash is not sha256: and 64 hex digits");
        let hex = derivation.strip_prefix("sha256:").ok_or_else(bad)?;
        let digest = HEXLOWER.decode(hex.as_bytes()).map_err(|_| bad())?;
        Ok(Self::Hash {
            derivation: digest.try_into().map_err(|_| bad())?,
            output: output.parse()?,
        })
    }

    /// The key that Nix uses from 2.35 on.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the path is not a derivation's, or the output has a bad name.
    pub fn of_path(derivation: StorePath, output: &str) -> Result<Self> {
        if !derivation.is_derivation() {
            return Err(realisation(
                &derivation.to_string(),
                "it is not the name of a derivation",
            ));
        }
        Ok(Self::Path {
            derivation,
            output: output.parse()?,
        })
    }

    /// Which of the derivation's outputs it is.
    #[must_use]
    pub const fn output(&self) -> &OutputName {
        match self {
            Self::Hash { output, .. } | Self::Path { output, .. } => output,
        }
    }
}

impl fmt::Display for DrvOutput {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash { derivation, output } => {
                write!(formatter, "sha256:{}!{output}", HEXLOWER.encode(derivation))
            }
            Self::Path { derivation, output } => write!(formatter, "{derivation}^{output}"),
        }
    }
}

impl FromStr for DrvOutput {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some((derivation, output)) = text.split_once('!') {
            return Self::of_hash(derivation, output);
        }
        let (derivation, output) = text
            .split_once('^')
            .ok_or_else(|| realisation(text, "there is neither ! nor ^ before an output"))?;
        let derivation = derivation
            .parse()
            .map_err(|_| realisation(text, "what stands before ^ is not a store path"))?;
        Self::of_path(derivation, output)
    }
}

/// The name of an output, such as `out` or `dev`: made of the characters of store path names.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutputName(Box<str>);

impl OutputName {
    /// The name as Nix writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OutputName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for OutputName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        check_name(text).map_err(|_| realisation(text, "that is not the name of an output"))?;
        Ok(Self(text.into()))
    }
}

/// What an output was built to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realisation {
    /// The output that was built.
    pub id: DrvOutput,
    /// The path that it was built to.
    pub out_path: StorePath,
    /// Signatures of the fingerprint, in the order in which they were given. Nobody has verified them yet.
    pub signatures: Vec<Signature>,
}

impl Realisation {
    /// What a signature of it signs.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let value = match &self.id {
            DrvOutput::Hash { .. } => self.unsigned(),
            DrvOutput::Path { derivation, output } => json!({
                "key": { "drvPath": derivation, "outputName": output.as_str() },
                "value": self.unsigned(),
            }),
        };
        value.to_string()
    }

    /// `key`'s signature of it. It is returned, not added.
    #[must_use]
    pub fn sign(&self, key: &SecretKey) -> Signature {
        key.sign(self.fingerprint().as_bytes())
    }

    /// Whether any of the signatures is `key`'s, cryptographically and not by name alone. Of those with its name
    /// only the first four are looked at.
    #[must_use]
    pub fn verify(&self, key: &PublicKey) -> bool {
        any_verifies(&self.signatures, key, || self.fingerprint())
    }

    /// The file that a binary cache serves of it: what is not in its address, from 2.35 on.
    #[must_use]
    pub fn to_json(&self) -> String {
        let signature = |signature: &Signature| match &self.id {
            DrvOutput::Hash { .. } => json!(signature),
            DrvOutput::Path { .. } => {
                json!({ "keyName": signature.key_name(), "sig": signature.to_base64() })
            }
        };
        let mut value = self.unsigned();
        value["signatures"] = self.signatures.iter().map(signature).collect();
        value.to_string()
    }

    /// The file without its signatures.
    fn unsigned(&self) -> Value {
        match &self.id {
            DrvOutput::Hash { .. } => json!({
                "dependentRealisations": {},
                "id": self.id.to_string(),
                "outPath": self.out_path,
            }),
            DrvOutput::Path { .. } => json!({ "outPath": self.out_path }),
        }
    }
}

/// Reads what `nix realisation info --json` prints, or from 2.35 on `nix store build-trace info --json`. Paths that
/// are no outputs of derivations are left out. Signatures that cover `dependentRealisations` are left out too: they say
/// nothing of a realisation without these.
///
/// # Errors
/// [`Error::Invalid`] where it is not JSON or has another shape; those of the values in it.
pub fn parse_realisations(json: &[u8]) -> Result<Vec<Realisation>> {
    let entries: Vec<Value> = serde_json::from_slice(json)
        .map_err(|error| realisation(&String::from_utf8_lossy(json), error.to_string()))?;
    let mut realisations = Vec::new();
    for entry in &entries {
        let Some(fields) = entry.as_object() else {
            return Err(realisation(&entry.to_string(), "it is not an object"));
        };
        if fields.contains_key("opaquePath") {
            continue;
        }
        realisations.push(parse_entry(fields)?);
    }
    Ok(realisations)
}

fn parse_entry(fields: &Map<String, Value>) -> Result<Realisation> {
    let text = |fields: &Map<String, Value>, name: &'static str| {
        let found = fields.get(name).and_then(Value::as_str);
        found.map(str::to_owned).ok_or_else(|| {
            let shown = Value::Object(fields.clone()).to_string();
            realisation(&shown, format!("it has no {name}"))
        })
    };
    let object = |name: &str| fields.get(name).and_then(Value::as_object);
    let (id, value) = match (object("key"), object("value")) {
        (Some(key), Some(value)) => {
            let derivation = text(key, "drvPath")?.parse()?;
            let id = DrvOutput::of_path(derivation, &text(key, "outputName")?)?;
            (id, value)
        }
        _ => (text(fields, "id")?.parse()?, fields),
    };
    let depends = object("dependentRealisations").is_some_and(|others| !others.is_empty());
    let signatures = value.get("signatures").and_then(Value::as_array);
    let signatures = signatures.filter(|_| !depends).into_iter().flatten();
    Ok(Realisation {
        id,
        out_path: text(value, "outPath")?.parse()?,
        signatures: signatures.map(parse_signature).collect::<Result<_>>()?,
    })
}

/// A signature as text, or as the object that Nix writes from 2.35 on.
fn parse_signature(value: &Value) -> Result<Signature> {
    let text = match value {
        Value::String(text) => text.clone(),
        _ => {
            let part = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("{}:{}", part("keyName"), part("sig"))
        }
    };
    text.parse()
}

fn realisation(text: &str, problem: impl Into<Cow<'static, str>>) -> Error {
    Error::invalid("a realisation", text, problem)
}

#[cfg(test)]
mod tests;
