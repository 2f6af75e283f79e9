//! `GET /api/v1/substituters`: what stands in the caller's nix.conf.
//!
//! The root serves the caller's whole view. It is taken apart, an address for each organisation, where one
//! address could not serve it:
//! - for a person of several organisations: of two contents for one path the root can choose neither, while
//!   Nix asks one organisation after the other, in an order that the person chooses;
//! - where each organisation signs with keys of its own: the keys that stand beside an address are those of
//!   the one organisation that is read there.
//!
//! A token for certain paths is told of no organisation: it gets the root, with the keys that sign its paths.

use axum::Json;
use axum::extract::State;
use fh_access::{Address, ApiError, Caller};
use fh_api::{Signing, SigningKeyInfo, Standing, SubstituterInfo, SubstituterList, UserKind};
use fh_persistence::database::organizations;
use fh_sql::Read;
use serde::Deserialize;
use utoipa::IntoParams;

use super::path::Query;
use super::table::{Asks, Route, get};
use crate::answer::Answer;
use crate::state::AppState;

/// Organisations that may be asked for at once.
const MAX_ORGANIZATIONS: usize = 100;

/// What Nix reads from.
pub(super) fn routes() -> Vec<Route> {
    vec![
        get(
            "/substituters",
            "The substituters and keys that `fh login` writes into nix.conf for the caller",
            list,
        )
        .asks(Asks::Anybody)
        .answers::<SubstituterList>(200)
        .refuses(&[404, 422]),
    ]
}

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// true: the root address, whatever the caller is.
    #[serde(default)]
    root: bool,
    /// Names separated by commas: exactly these, in this order.
    organizations: Option<String>,
}

/// Needs no permission: whoever may not read is told what everybody reads.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Answer<Json<SubstituterList>> {
    if caller.named_view().is_err() {
        return Ok(of_certain_paths(&state, &caller, &wanted).await?);
    }
    let joined = match caller.reader() {
        None => Vec::new(),
        Some(principal) => {
            let account_id = principal.account_id;
            state
                .database()
                .read(move |read| organizations::joined_by(read, account_id))
                .await?
        }
    };
    let addresses = caller.addresses(&joined);
    let named = match &wanted.organizations {
        None => None,
        Some(_) if wanted.root => return Err(exclude_each_other().into()),
        Some(names) => Some(named(&caller, names, &addresses)?),
    };
    let as_root = named.is_none() && (wanted.root || root_serves(&state, &caller, &addresses));
    let addresses = named.unwrap_or(addresses);
    let mut lines = Vec::with_capacity(addresses.len());
    for address in &addresses {
        lines.push(line(&state, address).await?);
    }
    let substituters = if as_root {
        vec![root(&state, lines)]
    } else {
        lines
    };
    Ok(Json(SubstituterList {
        signing: state.keys().mode(),
        substituters,
    }))
}

/// Of a token for certain paths: the root, whatever the organisations of its owner are. Where each organisation
/// signs with keys of its own, those of the organisations that its paths come from stand beside it.
async fn of_certain_paths(
    state: &AppState,
    caller: &Caller,
    wanted: &Wanted,
) -> Result<Json<SubstituterList>, ApiError> {
    match &wanted.organizations {
        Some(_) if wanted.root => return Err(exclude_each_other()),
        Some(_) => return Err(ApiError::NotFound),
        None => {}
    }
    let mut lines = Vec::new();
    if state.keys().mode() == Signing::PerOrganization {
        let organizations = state.lookup().closure_organizations(caller.view()).await?;
        for address in caller.addresses_of(&organizations) {
            lines.push(line(state, &address).await?);
        }
    }
    Ok(Json(SubstituterList {
        signing: state.keys().mode(),
        substituters: vec![root(state, lines)],
    }))
}

fn exclude_each_other() -> ApiError {
    ApiError::BadRequest("root and organizations cannot be used together".to_owned())
}

/// Exactly the organisations that are named.
fn named(caller: &Caller, names: &str, addresses: &[Address]) -> Result<Vec<Address>, ApiError> {
    let names = names.split(',').take(MAX_ORGANIZATIONS + 1);
    let named: Vec<Address> = names
        .map(|name| caller.address_of(name, addresses))
        .collect::<Result<_, _>>()?;
    if named.len() > MAX_ORGANIZATIONS {
        return Err(ApiError::BadRequest(format!(
            "organizations must name at most {MAX_ORGANIZATIONS}"
        )));
    }
    Ok(named)
}

/// Whether the root is what the caller reads, where nobody says how.
fn root_serves(state: &AppState, caller: &Caller, addresses: &[Address]) -> bool {
    let is_person = caller
        .reader()
        .is_some_and(|reader| reader.kind == UserKind::Human);
    let own = addresses
        .iter()
        .filter(|address| address.standing == Some(Standing::Own));
    state.keys().mode() == Signing::Shared && !(is_person && own.count() > 1)
}

/// The line of one address.
async fn line(state: &AppState, address: &Address) -> Result<SubstituterInfo, ApiError> {
    let organization = &address.organization;
    let id = organization.id;
    let keys = match state.keys().signing_of(id) {
        Some(keys) => keys,
        None => {
            let keys = state.clone();
            let find = move |read: &Read| Ok(keys.keys().find_signing_of(read, id)?);
            state.database().read(find).await?
        }
    };
    let mut url = format!("{}/cache/{}", state.public_url(), organization.name);
    if let Some(project) = &address.project {
        url.push('/');
        url.push_str(project.as_str());
    }
    Ok(SubstituterInfo {
        url,
        organization: Some(organization.name.clone()),
        standing: address.standing,
        public_keys: texts(keys.public()),
    })
}

/// The root in place of these lines.
fn root(state: &AppState, lines: Vec<SubstituterInfo>) -> SubstituterInfo {
    let mut public_keys = texts(state.keys().public());
    if state.keys().mode() == Signing::PerOrganization {
        for key in lines.into_iter().flat_map(|line| line.public_keys) {
            if !public_keys.contains(&key) {
                public_keys.push(key);
            }
        }
    }
    SubstituterInfo {
        url: state.public_url().to_owned(),
        organization: None,
        standing: None,
        public_keys,
    }
}

fn texts(keys: Vec<SigningKeyInfo>) -> Vec<String> {
    keys.into_iter().map(|key| key.public_key).collect()
}
