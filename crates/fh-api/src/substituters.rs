//! What a caller's Nix is to read from.

use serde::{Deserialize, Serialize};

use crate::{Name, Signing, Standing};

/// `GET /api/v1/substituters`: the lines that `fh login` writes into nix.conf for the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SubstituterList {
    /// Whose keys sign what is read there.
    pub signing: Signing,
    /// In the order in which Nix is to ask them: the first that has a path decides.
    pub substituters: Vec<SubstituterInfo>,
}

/// An address that Nix reads from, and what it has to trust there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SubstituterInfo {
    /// The substituter, without a final slash.
    pub url: String,
    /// The organisation that it is narrowed to; none for the whole view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Name>,
    /// What that organisation is to the caller; none where it is nothing but readable by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// The keys that sign what is served there, today and after the next rotation, as nix.conf wants them:
    /// `name:base64`.
    pub public_keys: Vec<String>,
}
