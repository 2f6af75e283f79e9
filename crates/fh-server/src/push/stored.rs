//! A plan as it stands in the database until its push is committed, in the words of the API.

use fh_access::ApiError;
use fh_api::{PushPath, PushRealisation, PushRequest};
use fh_nix::StoreDir;
use serde::{Deserialize, Serialize};

use super::parse::parse;
use super::request::ParsedRequest;

/// What a push puts into its slice.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredPlan {
    /// Paths; those that are left out are context.
    pub(super) paths: Vec<PushPath>,
    /// To which paths outputs were built.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) realisations: Vec<PushRealisation>,
}

impl StoredPlan {
    /// As it is stored.
    pub(super) fn to_json(&self) -> Result<Vec<u8>, ApiError> {
        serde_json::to_vec(self).map_err(ApiError::internal)
    }

    /// Reads what is stored. Before there were realisations that was the list of paths alone.
    pub(super) fn from_json(json: &[u8]) -> Result<Self, ApiError> {
        if json.first() == Some(&b'[') {
            return Ok(Self {
                paths: serde_json::from_slice(json).map_err(ApiError::internal)?,
                realisations: Vec::new(),
            });
        }
        serde_json::from_slice(json).map_err(ApiError::internal)
    }

    /// It parsed, as a request. It was accepted once, so no limit applies.
    pub(super) fn parsed(self, store_dir: &StoreDir) -> Result<ParsedRequest, ApiError> {
        let request = PushRequest {
            paths: self.paths,
            skip_signed_by: Vec::new(),
            dry_run: false,
            logs: Vec::new(),
            realisations: self.realisations,
        };
        parse(request, store_dir, u64::MAX).map_err(ApiError::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::request::Content;

    #[test]
    fn a_plan_of_before_there_were_realisations_is_read() {
        let path = r#"{"path":"00000000000000000000000000000000-x","nar_hash":"sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73","nar_size":96}"#;
        let realisation = r#"{"id":"00000000000000000000000000000000-x.drv^out","out_path":"00000000000000000000000000000000-x"}"#;
        for (stored, realisations) in [
            (format!("[{path}]"), 0),
            (format!(r#"{{"paths":[{path}]}}"#), 0),
            (
                format!(r#"{{"paths":[{path}],"realisations":[{realisation}]}}"#),
                1,
            ),
        ] {
            let plan = StoredPlan::from_json(stored.as_bytes()).unwrap();
            let again = StoredPlan::from_json(&plan.to_json().unwrap()).unwrap();
            let content = Content::from(again.parsed(&StoreDir::default()).unwrap());
            assert_eq!(content.paths.len(), 1, "{stored}");
            assert_eq!(content.realisations.len(), realisations, "{stored}");
        }
    }
}
