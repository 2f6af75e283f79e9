//! The keys that sign path infos: which there are, and their rotation; the server's, which sign for all
//! organisations alike, and with `signing = per-organization` those of each organisation.

use axum::Json;
use axum::extract::{Request, State};
use fh_access::keys::{KeyNames, SigningKeys, ensure, public_half, rotate as rotate_keys};
use fh_access::{ApiError, Caller};
use fh_api::{KeyInfo, KeyList, Name, RotateKeys, Signing};
use fh_persistence::database::audit::{Actor, Event};
use fh_persistence::database::keys::{self, KeyOwner, KeyState};
use fh_persistence::database::{AccessChange, Decided, Timestamp, now, organizations};
use fh_sql::{Read, Tx};
use serde_json::json;

use super::json::optional_json_body;
use super::path::OrganizationPath;
use super::plans::key_rotation::{self, Facts};
use super::table::{Asks, Route, get, post};
use super::transaction::read;
use crate::answer::Answer;
use crate::state::AppState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        get(
            "/keys",
            "The server's public keys that sign, will sign and have signed",
            list,
        )
        .asks(Asks::Anybody)
        .answers::<KeyList>(200),
        post(
            "/keys/rotate",
            "Let the server's standby key sign from now on, for server administrators",
            rotate,
        )
        .may_take::<RotateKeys>()
        .answers::<KeyList>(200)
        .refuses(&[409]),
        get(
            "/orgs/{org}/keys",
            "The public keys that sign what an organisation serves, for anyone who may read something there",
            list_of_organization,
        )
        .asks(Asks::Anybody)
        .answers::<KeyList>(200),
        post(
            "/orgs/{org}/keys/rotate",
            "Let an organisation's own standby key sign from now on, for its owners and for server \
             administrators",
            rotate_of_organization,
        )
        .may_take::<RotateKeys>()
        .answers::<KeyList>(200)
        .refuses(&[409]),
    ]
}

/// `GET /api/v1/keys`: for everybody; but bad credentials are refused here too.
pub(crate) async fn list(State(state): State<AppState>, _caller: Caller) -> Answer<Json<KeyList>> {
    Ok(told(&state, KeyOwner::Server, None).await?)
}

/// `GET /api/v1/orgs/{org}/keys`: the server's, where those sign for the organisation.
pub(crate) async fn list_of_organization(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
) -> Answer<Json<KeyList>> {
    let organization = caller.organization_to_read(&path.org)?;
    match state.keys().signer_of(organization.id) {
        KeyOwner::Server => Ok(told(&state, KeyOwner::Server, None).await?),
        owner @ KeyOwner::Organization(_) => {
            Ok(told(&state, owner, Some(organization.name)).await?)
        }
    }
}

/// `POST /api/v1/keys/rotate`: the standby key signs from now on.
pub(crate) async fn rotate(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Answer<Json<KeyList>> {
    caller.server_administrator()?;
    let wanted: RotateKeys = optional_json_body(request, state.settings().limits.json_size).await?;
    let rotation = Rotation {
        owner: KeyOwner::Server,
        organization: None,
        is_forced: wanted.force,
        actor: caller.actor()?,
        decided: caller.decided(),
    };
    Ok(rotation.carry_out(state).await?)
}

/// `POST /api/v1/orgs/{org}/keys/rotate`: the organisation's own standby key signs from now on.
pub(crate) async fn rotate_of_organization(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
    request: Request,
) -> Answer<Json<KeyList>> {
    let organization = caller.organization_of_owner(&path.org)?;
    if state.keys().mode() == Signing::Shared {
        let name = &organization.name;
        return Err(ApiError::Conflict(format!(
            "{name} has no keys of its own: this server signs for all organisations with the same keys, which \
             its administrators rotate"
        )).into());
    }
    let wanted: RotateKeys = optional_json_body(request, state.settings().limits.json_size).await?;
    let rotation = Rotation {
        owner: KeyOwner::Organization(organization.id),
        organization: Some(organization.name),
        is_forced: wanted.force,
        actor: caller.actor()?,
        decided: caller.decided(),
    };
    Ok(rotation.carry_out(state).await?)
}

/// A rotation that the caller may do.
struct Rotation {
    owner: KeyOwner,
    /// Whose keys they are, if not the server's.
    organization: Option<Name>,
    /// Whatever the age of the standby key.
    is_forced: bool,
    actor: Actor,
    decided: Decided,
}

impl Rotation {
    async fn carry_out(self, state: AppState) -> Result<Json<KeyList>, ApiError> {
        // Of its own, so that what is committed counts also where the caller has gone.
        let tenure = state.tenure().clone();
        let rotation = tenure.spawn(async move {
            let (owner, organization) = (self.owner, self.organization.clone());
            state.keys().replace(owner, self.change(&state)).await?;
            told(&state, owner, organization).await
        });
        rotation.await.map_err(ApiError::internal)?
    }

    async fn change(self, state: &AppState) -> Result<SigningKeys, ApiError> {
        let names = KeyNames::of(state.settings());
        let decided = self.decided;
        let min_age = state.settings().min_key_age;
        let change = move |tx: &Tx<'_>| {
            let organization_id = match self.owner {
                KeyOwner::Server => None,
                KeyOwner::Organization(id) => Some(id),
            };
            let is_there = match organization_id {
                Some(id) => organizations::get(tx, id)?.is_some(),
                None => true,
            };
            let facts = Facts {
                is_there,
                stored: keys::list_of(tx, self.owner)?,
                at: now(),
            };
            let plan = key_rotation::decide(&facts, min_age, self.is_forced)?;
            let before = SigningKeys::load(tx, self.owner).map_err(ApiError::internal)?;
            let after = rotate_keys(tx, self.owner, &names).map_err(ApiError::internal)?;
            let name = after.active().name();
            Event::by(self.actor, "key.rotate", name)
                .in_organization(organization_id)
                .record(
                    tx,
                    json!({
                        "active": name,
                        "standby": after.standby().name(),
                        "retired": before.active().name(),
                        "early": plan.is_early,
                    }),
                )?;
            Ok::<_, ApiError>(after)
        };
        state.database().write(decided, change).await
    }
}

/// Makes the keys of an organisation that is being made, where each has its own.
pub(super) fn make(
    state: &AppState,
    change: &AccessChange<'_>,
    organization_id: i64,
) -> Result<(), ApiError> {
    let owner = state.keys().signer_of(organization_id);
    if owner == KeyOwner::Server {
        return Ok(());
    }
    let names = KeyNames::of(state.settings());
    ensure(change, owner, &names).map_err(ApiError::internal)?;
    let made = SigningKeys::load(change, owner).map_err(ApiError::internal)?;
    state.keys().learn(owner, made);
    Ok(())
}

async fn told(
    state: &AppState,
    owner: KeyOwner,
    organization: Option<Name>,
) -> Result<Json<KeyList>, ApiError> {
    let keys = read(state, move |read| all(read, owner)).await?;
    Ok(Json(KeyList { organization, keys }))
}

/// Active, standby, then the retired ones, the newest first.
fn all(read: &Read, owner: KeyOwner) -> Result<Vec<KeyInfo>, ApiError> {
    let mut stored = keys::list_of(read, owner)?;
    stored.reverse();
    // Stable: of the same state the newer stays first.
    stored.sort_by_key(|key| match key.state {
        KeyState::Active => 0,
        KeyState::Standby => 1,
        KeyState::Retired => 2,
    });
    stored
        .iter()
        .map(|key| {
            Ok(KeyInfo {
                public_key: public_half(key).map_err(ApiError::internal)?.to_string(),
                state: key.state.as_str().to_owned(),
                created_at: key.created_at.to_date_time(),
                retired_at: key.retired_at.map(Timestamp::to_date_time),
            })
        })
        .collect()
}
