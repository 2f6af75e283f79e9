//! Why somebody can read a path, or cannot.
//!
//! Three questions: of the caller alone, answered from their view; of somebody else, and of everybody,
//! answered from the slices that the caller administers. What is in neither does not count, so that
//! the answer is the same, to the byte, whether a path is nowhere or only where the caller may not
//! know of it.
//!
//! Of somebody else only what they were given counts, and never what they follow; to a guest only what they were
//! given by name as another guest, so that nobody learns who belongs to the organisation. And reasons are told only to
//! whom the lists are shown that they stand in: who administers one flake, and is no member, learns of no
//! members, teams or policies of its organisation. A token for certain paths is told whether it reads one, and no
//! names.

use std::str::FromStr as _;

use axum::Json;
use axum::extract::State;
use fh_access::{ApiError, Caller, FlakeEntry, Principal};
use fh_api::{AccessExplanation, Disputed, FlakeName, Name, Permission, SliceAccess, Visibility};
use fh_auth::{Follows, Holdings, Named};
use fh_nix::{StorePath, StorePathHash};
use fh_persistence::database::holders::Holder;
use fh_persistence::database::{explain as facts, grants, tokens};
use serde::Deserialize;
use utoipa::IntoParams;

use super::named;
use super::path::Query;
use super::reasons::{self, Told, Whose};
use super::table::{Route, get};
use crate::answer::Answer;
use crate::state::AppState;
use crate::timing;

pub(super) fn routes() -> Vec<Route> {
    vec![
        get(
            "/access",
            "Which slices that the caller may see hold a path, and who reads them by which grant",
            explain,
        )
        .answers::<AccessExplanation>(200)
        .refuses(&[422]),
    ]
}

/// What is asked.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessQuery {
    /// A store path, a base name, or the hash alone.
    #[param(format = "store-path")]
    path: String,
    /// Of this account, in place of the caller.
    #[serde(default)]
    user: Option<Name>,
}

/// `GET /api/v1/access?path=PATH[&user=NAME]`. Without a user: of everybody, where the caller
/// administers a flake that holds the path, else of the caller.
pub(crate) async fn explain(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<AccessQuery>,
) -> Answer<Json<AccessExplanation>> {
    // To look for holders takes the longer the more there are, also of those that are not told.
    let explanation = timing::stepped(explained(&state, &caller, query)).await?;
    Ok(Json(explanation))
}

async fn explained(
    state: &AppState,
    caller: &Caller,
    query: AccessQuery,
) -> Result<AccessExplanation, ApiError> {
    let principal = caller.principal()?;
    let hash = hash_of(state, &query.path)?;
    let own = |name: &Name| principal.is_called(name.as_str());
    match query.user {
        Some(name) if own(&name) => of_caller(state, caller, hash).await,
        Some(name) => {
            caller.require(Permission::Admin)?;
            let known = administered(state, caller, hash).await?;
            of_another(state, caller, hash, known, name).await
        }
        None => {
            let known = administered(state, caller, hash).await?;
            if known.is_empty() {
                of_caller(state, caller, hash).await
            } else {
                of_everybody(state, caller, hash, known).await
            }
        }
    }
}

/// A slice that holds the path and that the caller may know of.
type Known = (FlakeEntry, Holder);

async fn administered(
    state: &AppState,
    caller: &Caller,
    hash: StorePathHash,
) -> Result<Vec<Known>, ApiError> {
    let known = state
        .lookup()
        .holders_known(hash, |id| caller.administered_flake(id).is_some())
        .await?;
    let with_flake = |holder: Holder| {
        let flake = caller.administered_flake(holder.flake_id)?;
        Some((flake.clone(), holder))
    };
    Ok(known.into_iter().filter_map(with_flake).collect())
}

/// Of the caller: from their view, as their token narrows it.
async fn of_caller(
    state: &AppState,
    caller: &Caller,
    hash: StorePathHash,
) -> Result<AccessExplanation, ApiError> {
    let principal = caller.principal()?;
    let Ok(view) = caller.named_view() else {
        return of_certain_paths(state, caller, hash).await;
    };
    let known: Vec<Known> = state
        .lookup()
        .holders_in_view(view, hash)
        .await?
        .into_iter()
        .filter_map(|holder| Some((view.flake(holder.flake_id)?.clone(), holder)))
        .collect();
    let policies = principal
        .workload
        .as_ref()
        .map(|workload| workload.info.policies.clone())
        .unwrap_or_default();
    let whose = Whose::Account(principal.account_id, policies);
    let disputed = disputed(state, caller, hash).await?;
    let message = match (known.first(), &disputed) {
        (_, Some(disputed)) => disputed.told(),
        (None, None) => {
            "None of the flakes that you can read with this token holds this path.".to_owned()
        }
        (Some((flake, _)), None) => format!("You read it from {}.", flake.name),
    };
    // The first is the one that is served.
    let served = (!known.is_empty()).then_some(0);
    Ok(AccessExplanation {
        path: path_text(state, hash, &known).await?,
        user: Some(principal.name.clone()),
        readable: served.is_some(),
        slices: slices(state, known, whose, None, served).await?,
        narrowed_by: narrowed_by(principal),
        disputed,
        message,
    })
}

/// Of a token for certain paths: whether it reads this one. Such a token is given away, and by what its owner
/// reads the path, and who disagrees about it, is not for whoever holds it.
async fn of_certain_paths(
    state: &AppState,
    caller: &Caller,
    hash: StorePathHash,
) -> Result<AccessExplanation, ApiError> {
    let principal = caller.principal()?;
    let read = state.lookup().path_info(caller.view(), hash).await?;
    let message = match &read {
        Some(_) => "You read it with this token.",
        None => "None of the flakes that you can read with this token holds this path.",
    };
    Ok(AccessExplanation {
        path: read
            .as_ref()
            .map_or_else(|| hash.to_string(), |info| info.path.to_string()),
        user: Some(principal.name.clone()),
        readable: read.is_some(),
        slices: Vec::new(),
        narrowed_by: narrowed_by(principal),
        disputed: None,
        message: message.to_owned(),
    })
}

/// Whether slices of the caller's view disagree about a path.
async fn disputed(
    state: &AppState,
    caller: &Caller,
    hash: StorePathHash,
) -> Result<Option<Disputed>, ApiError> {
    let view = caller.view();
    let Some(dispute) = state.lookup().dispute(view, hash).await? else {
        return Ok(None);
    };
    let names = |ids: Vec<i64>| {
        let flakes = ids.into_iter().filter_map(|id| view.flake(id));
        let mut names: Vec<FlakeName> = flakes.map(|flake| flake.name.clone()).collect();
        names.sort_by_key(|name| name.to_string().to_ascii_lowercase());
        names
    };
    Ok(Some(Disputed {
        served: names(dispute.served),
        others: names(dispute.others),
        left_out: names(dispute.left_out),
    }))
}

/// Of somebody else: from what the caller administers.
async fn of_another(
    state: &AppState,
    caller: &Caller,
    hash: StorePathHash,
    known: Vec<Known>,
    name: Name,
) -> Result<AccessExplanation, ApiError> {
    let principal = caller.principal()?;
    if known.is_empty() {
        // Nobody was looked for: who administers nothing here learns of no names either.
        return Ok(AccessExplanation {
            path: hash.to_string(),
            user: Some(name),
            readable: false,
            slices: Vec::new(),
            narrowed_by: narrowed_by(principal),
            disputed: None,
            message: "None of the flakes that you administer holds this path.".to_owned(),
        });
    }
    // Of an organisation that the caller is a guest of, grants by name count alone, and only where the account is
    // a guest as well: all else would tell who belongs there.
    let hides_members = |flake: &FlakeEntry| !caller.may_know_members_of(flake.organization_id);
    let flakes: Vec<_> = known
        .iter()
        .map(|(flake, _)| (flake.facts(), hides_members(flake)))
        .collect();
    let found = state
        .database()
        .read(move |read| {
            let account = match named::account(read, name.as_str()) {
                Ok(account) => account,
                Err(error) => return Ok(Err(error)),
            };
            // What they follow counts for nothing here.
            let given = grants::given(read, account.id)?;
            let as_guest = grants::given_as_guest(read, account.id)?;
            let mut invited = false;
            for (flake, hides) in flakes {
                let (organization, id) = (flake.organization, flake.id);
                invited |= facts::is_invited(read, organization, id, account.id, hides)?;
            }
            Ok(Ok((account, given, as_guest, invited)))
        })
        .await?;
    let (account, given, as_guest, invited) = found?;
    let name = account.name;
    let holdings = |flake: &FlakeEntry| {
        if hides_members(flake) {
            &as_guest
        } else {
            &given
        }
    };
    let opened = known
        .iter()
        .any(|(flake, _)| reads_by_name(holdings(flake), flake));
    let is_hidden = known.iter().any(|(flake, _)| hides_members(flake));
    let disabled = account.disabled_at.is_some();
    let readable = opened && !disabled;
    let path = path_text(state, hash, &known).await?;
    let served = first_served(&known, holdings, caller.everybody()).filter(|_| readable);
    let whose = Whose::Account(account.id, Vec::new());
    let slices = slices(state, known, whose, Some(caller), served).await?;
    let is_told = slices.iter().any(|slice| !slice.reasons.is_empty());
    let message = if disabled {
        format!("{name} is disabled, and can read nothing.")
    } else if readable && is_told {
        format!("{name} can read it by what is listed here; a token of theirs may be narrower.")
    } else if readable {
        format!("{name} can read it; only people of the organisation can see by which grant.")
    } else if invited && is_hidden {
        format!(
            "{name} was granted it by name, and can read it after joining the organisation or accepting."
        )
    } else if invited {
        format!("{name} is invited, and can read it after accepting.")
    } else if is_hidden {
        format!(
            "{name} cannot read it by a grant in their name; only people of the organisation can see who else \
             reads it."
        )
    } else {
        format!("{name} cannot read it through any flake that you administer.")
    };
    Ok(AccessExplanation {
        path,
        user: Some(name),
        readable,
        slices,
        narrowed_by: narrowed_by(principal),
        disputed: None,
        message,
    })
}

/// Of everybody: from what the caller administers.
async fn of_everybody(
    state: &AppState,
    caller: &Caller,
    hash: StorePathHash,
    known: Vec<Known>,
) -> Result<AccessExplanation, ApiError> {
    let principal = caller.principal()?;
    let disputed = disputed(state, caller, hash).await?;
    let open = |visibility| {
        let mut flakes = known.iter().map(|(flake, _)| flake);
        flakes.find(|flake| flake.visibility == visibility)
    };
    let message = if let Some(flake) = open(Visibility::Public) {
        format!(
            "Everybody can read it at /cache/{name}: {name} is public. At the root address, those who follow \
             it can read it.",
            name = flake.name
        )
    } else if let Some(flake) = open(Visibility::Unlisted) {
        format!(
            "Everybody who knows the name {name} can read it at /cache/{name}: it is unlisted.",
            name = flake.name
        )
    } else {
        "Only those listed here can read it through a flake that you administer.".to_owned()
    };
    let message = match &disputed {
        Some(disputed) => format!("{message} {}", disputed.told()),
        None => message,
    };
    let nobody = Holdings::default();
    let readable = known.iter().any(|(flake, _)| reads_by_name(&nobody, flake));
    let served = first_served(&known, |_| &nobody, caller.everybody());
    Ok(AccessExplanation {
        path: path_text(state, hash, &known).await?,
        user: None,
        readable,
        slices: slices(state, known, Whose::Everybody, Some(caller), served).await?,
        narrowed_by: narrowed_by(principal),
        disputed,
        message,
    })
}

/// Whether somebody reads a flake who names it.
fn reads_by_name(holdings: &Holdings, flake: &FlakeEntry) -> bool {
    let standing = holdings.standing(flake.facts(), Named::Flake, &Follows::default());
    standing.is_some()
}

/// From which of these slices somebody is served who names none: the nearest, then the
/// oldest. `holdings`: what they hold, as far as it counts on a flake.
fn first_served<'a>(
    known: &[Known],
    holdings: impl Fn(&FlakeEntry) -> &'a Holdings,
    everybody: &Follows,
) -> Option<usize> {
    let ranked = known.iter().enumerate().filter_map(|(index, (flake, _))| {
        let standing = holdings(flake).standing(flake.facts(), Named::No, everybody)?;
        Some((standing, index))
    });
    ranked.min().map(|(_, index)| index)
}

/// What lets whom read these slices, as far as a caller is told; all of it where nobody is named, of what they
/// hold themselves.
async fn slices(
    state: &AppState,
    known: Vec<Known>,
    whose: Whose,
    told_to: Option<&Caller>,
    served: Option<usize>,
) -> Result<Vec<SliceAccess>, ApiError> {
    let told = |flake: &FlakeEntry| {
        told_to.map_or(Told::OWN, |caller| {
            Told::to(caller, &flake.name.org, flake.organization_id)
        })
    };
    let known: Vec<(FlakeEntry, Told)> = known
        .into_iter()
        .map(|(flake, _)| {
            let told = told(&flake);
            (flake, told)
        })
        .collect();
    let slices = state.database().read(move |read| {
        known
            .into_iter()
            .enumerate()
            .map(|(index, (flake, told))| {
                Ok(SliceAccess {
                    reasons: reasons::of_slice(read, &flake, &whose, told)?,
                    served: served == Some(index),
                    visibility: flake.visibility,
                    flake: flake.name,
                })
            })
            .collect()
    });
    Ok(slices.await?)
}

/// The base name for who may know of a slice that holds it, else the hash that was asked for.
async fn path_text(
    state: &AppState,
    hash: StorePathHash,
    known: &[Known],
) -> Result<String, ApiError> {
    let Some((_, holder)) = known.first() else {
        return Ok(hash.to_string());
    };
    let path = state.lookup().path_of(*holder, hash).await?;
    Ok(path.map_or_else(|| hash.to_string(), |path| path.to_string()))
}

/// What is asked about, by whichever part of its name was given.
fn hash_of(state: &AppState, text: &str) -> Result<StorePathHash, ApiError> {
    if let Ok(hash) = StorePathHash::from_str(text) {
        return Ok(hash);
    }
    state
        .store_dir()
        .parse_path(text)
        .or_else(|_| text.parse::<StorePath>())
        .map(|path| path.hash())
        .map_err(|error| ApiError::BadRequest(format!("the query's path: {error}")))
}

/// How a token narrows what its holder sees; it says nothing of what there is.
pub(super) fn narrowed_by(principal: &Principal) -> Vec<String> {
    let scope = &principal.scope;
    let mut sentences = Vec::new();
    if !scope.allows(Permission::Pull) {
        sentences.push(
            "This token lacks the permission \"read\": it reads only what everybody may."
                .to_owned(),
        );
    }
    if !scope.reaches_all() {
        let flakes = tokens::texts(Some(scope.flakes())).join(", ");
        sentences.push(format!("This token reaches only {flakes}."));
    }
    if let Some(paths) = scope.closures() {
        let paths = tokens::texts(Some(paths)).join(", ");
        sentences.push(format!("This token reads only the closures of {paths}."));
    }
    if let Some(keys) = scope.signed_by() {
        let keys: Vec<_> = keys.iter().map(fh_nix::PublicKey::name).collect();
        sentences.push(format!(
            "This token reads only what was signed with {}.",
            keys.join(", ")
        ));
    }
    sentences
}
