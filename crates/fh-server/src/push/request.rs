//! What a push asks for, parsed, and what it puts into its slice.

use std::collections::{BTreeSet, HashMap};

use fh_access::ApiError;
use fh_nix::{DrvOutput, PathInfo, PublicKey, Realisation, StorePath, StorePathHash};

/// Signatures of one path, and keys of one request: more are nobody's in earnest.
pub(super) const MAX_SIGNATURES: usize = 64;

/// A request for a plan that makes sense by itself.
#[derive(Debug, Clone)]
pub(super) struct ParsedRequest {
    /// The paths to push, in the request's order.
    pub(super) paths: Vec<PathInfo>,
    /// Paths that are only told of, by their hash part.
    pub(super) context: HashMap<StorePathHash, PathInfo>,
    /// What these have signed is left out.
    pub(super) upstream_keys: Vec<PublicKey>,
    /// The answer is wanted, and nothing is begun.
    pub(super) dry_run: bool,
    /// Derivations whose build logs could be sent, each once.
    pub(super) logs: BTreeSet<StorePath>,
    /// To which paths outputs were built; each output once.
    pub(super) realisations: Vec<Realisation>,
}

impl ParsedRequest {
    /// Whether anything in it is signed.
    pub(super) fn has_signatures(&self) -> bool {
        let infos = self.paths.iter().chain(self.context.values());
        infos
            .map(|info| &info.signatures)
            .chain(self.realisations.iter().map(|it| &it.signatures))
            .any(|signatures| !signatures.is_empty())
    }
}

/// What a push puts into the slice.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    /// Paths with their NARs.
    pub(super) paths: Vec<PathInfo>,
    /// Paths that are left out because a key of elsewhere has signed them: the slice remembers what they are.
    pub(super) left_out: Vec<PathInfo>,
    /// To which paths outputs were built.
    pub(super) realisations: Vec<Realisation>,
}

impl From<ParsedRequest> for Content {
    /// All of it, as of a plan that was examined before it was stored.
    fn from(plan: ParsedRequest) -> Self {
        Self {
            paths: plan.paths,
            left_out: plan.context.into_values().collect(),
            realisations: plan.realisations,
        }
    }
}

/// The refusal of a realisation, which names its output.
pub(super) fn refused(id: &DrvOutput, problem: &str) -> ApiError {
    ApiError::BadRequest(format!("realisations: {id}: {problem}"))
}
