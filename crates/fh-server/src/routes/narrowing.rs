//! How a new token is to be narrowed, as it is asked for: parsed, bounded, and checked against what the
//! minting token can read. What a token for closures reads is fixed here.
//!
//! What is found out of paths is told at the next of [steps](timing::stepped), so that the time does not say what is hidden.

use fh_access::{ApiError, Caller};
use fh_api::CreateToken;
use fh_auth::{Narrowing, PathSet, TokenScope};
use fh_nix::{PublicKey, StorePath};
use fh_persistence::database::{DatabaseError, path_sets};
use fh_sql::Tx;

use crate::lookup::closures::MOST;
use crate::signatures::few_of_a_name;
use crate::state::AppState;
use crate::timing;

/// The most items that each limit of a token may have.
const MAX_ITEMS: usize = 100;

/// The narrowing that a request asks for.
///
/// # Errors
/// 400 for what cannot be understood or is too much; 422 for a path that the minting token cannot read,
/// and for a key of this server, whose signatures say nothing.
pub(super) async fn narrowing(
    state: &AppState,
    caller: &Caller,
    wanted: &CreateToken,
) -> Result<Narrowing, ApiError> {
    bounded("permissions", wanted.permissions.as_deref())?;
    bounded("flakes", wanted.flakes.as_deref())?;
    bounded("networks", wanted.networks.as_deref())?;
    Ok(Narrowing {
        permissions: wanted.permissions.clone(),
        flakes: wanted.flakes.clone().map(|flakes| caller.present(flakes)),
        closures: match &wanted.closures {
            None => None,
            Some(paths) => Some(timing::stepped(closures(state, caller, paths)).await?),
        },
        signed_by: wanted
            .signed_by
            .as_deref()
            .map(|keys| signed_by(state, keys))
            .transpose()?,
        networks: wanted.networks.clone(),
    })
}

/// What a new token for closures may read.
pub(super) enum Reads {
    /// No closures limit it.
    Anything,
    /// What the minting token may.
    TheSame(i64),
    /// These paths, which are stored with it.
    These(PathSet),
}

impl Reads {
    /// Stores what is new: the id for the token's row.
    pub(super) fn keep(&self, tx: &Tx<'_>) -> Result<Option<i64>, DatabaseError> {
        match self {
            Self::Anything => Ok(None),
            Self::TheSame(id) => Ok(Some(*id)),
            Self::These(set) => path_sets::keep(tx, set).map(Some),
        }
    }
}

/// Fixes what a token of this scope may read. `named`: the closures are its own, and not its parent's.
///
/// # Errors
/// 422 where that is too much.
pub(super) async fn reads(
    state: &AppState,
    caller: &Caller,
    scope: &TokenScope,
    named: bool,
) -> Result<Reads, ApiError> {
    let lookup = state.lookup();
    if !named {
        let same = lookup.path_set(caller.view()).await?;
        return Ok(same.map_or(Reads::Anything, |(id, _)| Reads::TheSame(id)));
    }
    let roots = scope.closures().unwrap_or_default();
    let walked = timing::stepped(lookup.closure(caller.view(), scope, roots)).await?;
    if !walked.whole {
        return Err(ApiError::InvalidContent(format!(
            "the field closures: together they have more than {MOST} paths"
        )));
    }
    Ok(Reads::These(walked.set))
}

fn bounded<T>(field: &str, items: Option<&[T]>) -> Result<(), ApiError> {
    if items.is_some_and(|items| items.len() > MAX_ITEMS) {
        return Err(ApiError::BadRequest(format!(
            "the field {field} must have at most {MAX_ITEMS} entries"
        )));
    }
    Ok(())
}

async fn closures(
    state: &AppState,
    caller: &Caller,
    paths: &[String],
) -> Result<Vec<StorePath>, ApiError> {
    bounded("closures", Some(paths))?;
    let mut parsed = Vec::with_capacity(paths.len());
    for text in paths {
        let path = state
            .store_dir()
            .parse_path(text)
            .or_else(|_| text.parse::<StorePath>())
            .map_err(|error| ApiError::BadRequest(format!("the field closures: {error}")))?;
        let found = state.lookup().path_info(caller.view(), path.hash()).await?;
        if found.is_none_or(|info| info.path != path) {
            return Err(ApiError::InvalidContent(format!(
                "the field closures: no flake that this token reads holds {path}"
            )));
        }
        parsed.push(path);
    }
    Ok(parsed)
}

fn signed_by(state: &AppState, keys: &[String]) -> Result<Vec<PublicKey>, ApiError> {
    bounded("signed_by", Some(keys))?;
    let keys: Vec<PublicKey> = keys
        .iter()
        .map(|text| {
            let key: PublicKey = text
                .parse()
                .map_err(|error| ApiError::BadRequest(format!("the field signed_by: {error}")))?;
            if state.keys().is_own(&key) {
                return Err(ApiError::InvalidContent(format!(
                    "the field signed_by: {} is a key of this server, which signs everything that it serves; \
                     name the key that the builder signs with",
                    key.name()
                )));
            }
            Ok(key)
        })
        .collect::<Result<_, ApiError>>()?;
    few_of_a_name(keys)
        .map_err(|error| ApiError::InvalidContent(format!("the field signed_by: {error}")))
}
