//! What a workload was verified to be.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A verified identity of a workload. A token that it was exchanged for keeps it, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The claim `iss`; `aws` for AWS.
    pub issuer: String,
    /// Whose keys have verified it: the issuer's, or the digests of key sets that policies brought.
    pub keys: BTreeSet<String>,
    pub claims: Map<String, Value>,
}

impl Identity {
    /// As a token keeps it.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// As a token has kept it; none where that is damaged, which opens nothing.
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// What it is, for a person: at most 300 characters.
    pub fn subject(&self) -> String {
        let subject = self.claims.get("sub").and_then(Value::as_str);
        subject.unwrap_or_default().chars().take(300).collect()
    }
}
