//! Other names for what there is.

use serde::{Deserialize, Serialize};

use crate::Name;

/// `POST …/rename` of an organisation, a flake, an account or a service account. Its former name leads to it, and
/// nobody else gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The new name; of a flake, that in its organisation.
    pub name: Name,
}
