//! Which of some paths were built, and which came from elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use fh_nix::StorePath;
use serde_json::{Map, Value};

use super::NixTools;
use super::process::Nix;
use crate::error::{Error, Result};

/// The outputs of derivations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Of all whose outputs Nix knows.
    pub paths: BTreeSet<StorePath>,
    /// The others, and what Nix said of each.
    pub unknown: BTreeMap<StorePath, String>,
}

/// Paths of which Nix was asked how they came into the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuiltPaths {
    /// Built, on this machine or for it by another one.
    pub built: BTreeSet<StorePath>,
    /// Valid, and substituted or added.
    pub others: BTreeSet<StorePath>,
}

impl NixTools {
    /// Tells which of these paths were built. Those that are not valid are left out.
    ///
    /// Built is what Nix calls `ultimate`, and what has a deriver and no signature: a remote builder's
    /// output, which nobody has signed.
    ///
    /// # Errors
    ///
    /// [`Error::CannotRun`], [`Error::ProgramFailed`], [`Error::NixHangs`], [`Error::NixOutput`].
    pub async fn built(&self, paths: &BTreeSet<StorePath>) -> Result<BuiltPaths> {
        let mut asked = paths.clone();
        loop {
            if asked.is_empty() {
                return Ok(BuiltPaths::default());
            }
            let references: Vec<&StorePath> = asked.iter().collect();
            match Nix(self).path_infos_alone(&references).await {
                Ok(documents) => return self.tell_apart(&asked, &documents),
                // Older versions of nix tell of none where one is not valid.
                Err(Error::InvalidPaths { paths }) => {
                    let before = asked.len();
                    asked.retain(|path| !paths.contains(&self.store_dir.display(path)));
                    if asked.len() == before {
                        return Err(Error::InvalidPaths { paths });
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The outputs of derivations that were built. Where Nix fails of one of them, each is asked for by itself.
    pub async fn outputs(&self, derivations: &BTreeSet<StorePath>) -> Outputs {
        let mut outputs = Outputs::default();
        let together: Vec<&StorePath> = derivations.iter().collect();
        if let Ok(documents) = Nix(self).outputs(&together).await {
            outputs.paths = self.paths_in(&documents);
            return outputs;
        }
        for derivation in derivations {
            match Nix(self).outputs_of(derivation).await {
                Ok(documents) => outputs.paths.extend(self.paths_in(&documents)),
                Err(error) => {
                    outputs
                        .unknown
                        .insert(derivation.clone(), error.to_string());
                }
            }
        }
        outputs
    }

    /// The store paths of texts with one a line; a derivation is not an output.
    fn paths_in(&self, documents: &[Vec<u8>]) -> BTreeSet<StorePath> {
        let texts = documents
            .iter()
            .map(|document| String::from_utf8_lossy(document));
        let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        lines
            .filter_map(|line| self.store_dir.parse_path(&line).ok())
            .filter(|path| !path.is_derivation())
            .collect()
    }

    fn tell_apart(&self, asked: &BTreeSet<StorePath>, documents: &[Vec<u8>]) -> Result<BuiltPaths> {
        let mut told = BuiltPaths::default();
        for document in documents {
            let document: Value =
                serde_json::from_slice(document).map_err(|error| Error::NixOutput {
                    command: "nix path-info --json".to_owned(),
                    reason: error.to_string(),
                })?;
            for (name, info) in entries(&document) {
                let path = self
                    .store_dir
                    .parse_path(name)
                    .ok()
                    .or_else(|| name.parse().ok())
                    .filter(|path| asked.contains(path));
                let Some(path) = path else { continue };
                if is_built(info) {
                    told.built.insert(path);
                } else {
                    told.others.insert(path);
                }
            }
        }
        Ok(told)
    }
}

/// The entries of valid paths, by their names, in any of the three shapes that nix prints.
fn entries(document: &Value) -> Vec<(&str, &Map<String, Value>)> {
    if let Some(array) = document.as_array() {
        return array
            .iter()
            .filter_map(Value::as_object)
            .filter(|info| info.get("valid") != Some(&Value::Bool(false)))
            .filter_map(|info| Some((info.get("path")?.as_str()?, info)))
            .collect();
    }
    let infos = match document.get("info") {
        Some(infos) if document.get("version").is_some() => infos,
        _ => document,
    };
    infos
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, info)| Some((name.as_str(), info.as_object()?)))
        .collect()
}

fn is_built(info: &Map<String, Value>) -> bool {
    let text = |key: &str| info.get(key).and_then(Value::as_str).unwrap_or_default();
    let ultimate = info.get("ultimate") == Some(&Value::Bool(true));
    let signed = info
        .get("signatures")
        .and_then(Value::as_array)
        .is_some_and(|signatures| !signatures.is_empty());
    !text("deriver").is_empty() && (ultimate || !signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_told_apart() {
        let name = |letter: &str| format!("{}-x", letter.repeat(32));
        let full = |letter: &str| format!("/nix/store/{}", name(letter));
        let built = r#"{"deriver": "d", "ultimate": true, "signatures": ["k:s"]"#;
        let remote = r#"{"deriver": "d", "signatures": []"#;
        let substituted = r#"{"deriver": "d", "ultimate": false, "signatures": ["k:s"]"#;
        let source = r#"{"deriver": null"#;
        let array = format!(
            r#"[{built}, "path": "{}"}}, {remote}, "path": "{}"}}, {substituted}, "path": "{}"}},
                {source}, "path": "{}"}}, {{"path": "{}", "valid": false}}]"#,
            full("a"),
            full("b"),
            full("c"),
            full("d"),
            full("f")
        );
        let map = |of: &dyn Fn(&str) -> String| {
            format!(
                r#"{{"{}": {built}}}, "{}": {remote}}}, "{}": {substituted}}}, "{}": {source}}}, "{}": null}}"#,
                of("a"),
                of("b"),
                of("c"),
                of("d"),
                of("f")
            )
        };
        let second = format!(
            r#"{{"info": {}, "storeDir": "/nix/store", "version": 2}}"#,
            map(&name)
        );
        let paths = |letters: &[&str]| -> BTreeSet<StorePath> {
            letters.iter().map(|l| name(l).parse().unwrap()).collect()
        };
        let asked = paths(&["a", "b", "c", "d", "f"]);
        for document in [array, map(&full), second] {
            let told = NixTools::default()
                .tell_apart(&asked, &[document.clone().into_bytes()])
                .unwrap();
            assert_eq!(told.built, paths(&["a", "b"]), "{document}");
            assert_eq!(told.others, paths(&["c", "d"]), "{document}");
        }
    }
}
