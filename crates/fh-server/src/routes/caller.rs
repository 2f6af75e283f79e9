//! Who sends a request, and where from, as arguments of handlers; and what the layers around a handler
//! are told of it.

use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequestParts, OriginalUri, RawPathParams};
use fh_access::denials::ActorSlot;
use fh_access::limits::Origin;
use fh_access::{Caller, Source};
use fh_persistence::database::Decided;
use fh_shares::{self as shares, Holders};
use http::request::Parts;

use super::credentials;
use crate::answer::{Answer, Failed};
use crate::peer::{self, Peer};
use crate::state::AppState;
use crate::telemetry::PrincipalSlot;

/// Beside a request that is handled again because it was decided too early, by whoever holds the
/// [turn](fh_persistence::database::Database::turn).
#[derive(Debug, Clone, Copy)]
pub(super) struct Again;

/// Of what state everything is that was decided about the caller of a request, and for whom counts what
/// is held for them: written by [`Caller`]'s extraction, read by the layer that handles a request again.
#[derive(Debug, Clone, Default)]
pub(super) struct DecidedSlot(Arc<OnceLock<(Decided, Holders)>>);

impl DecidedSlot {
    /// What was decided; none where no handler asked who the caller is.
    pub(super) fn get(&self) -> Option<Decided> {
        self.0.get().map(|(decided, _)| *decided)
    }

    /// For whom it counts; none where no handler asked who the caller is.
    pub(super) fn holders(&self) -> Option<Holders> {
        self.0.get().map(|(_, holders)| *holders)
    }
}

/// Anonymous without credentials, 401 with bad ones.
impl FromRequestParts<AppState> for Caller {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Answer<Self> {
        let source = source(parts, state);
        if state.tenure().is_shared() {
            state.notice_others().await?;
        }
        shares::count_for(Holders::new(None, source.address));
        let named = organization_of_api(parts, state).await;
        let named = named.as_deref().or_else(|| organization_of_cache(parts));
        let asked =
            state
                .access()
                .authenticate_at(credentials::token(&parts.headers), named, source);
        let mut caller = match asked.await {
            Ok(caller) => caller,
            Err(error) => {
                state.limiter().request(Origin::at(source))?;
                return Err(error.into());
            }
        };
        // One that is handled again was counted the first time.
        if parts.extensions.get::<Again>().is_some() {
            caller = caller.in_turn();
        } else {
            state.limiter().request(origin(&caller))?;
        }
        shares::count_for(caller.holders());
        if let Some(slot) = parts.extensions.get::<DecidedSlot>() {
            let _ = slot.0.set((caller.decided(), caller.holders()));
        }
        if let (Some(principal), Some(slot)) =
            (caller.known(), parts.extensions.get::<PrincipalSlot>())
        {
            slot.set(principal.name.as_str());
        }
        if let Some(slot) = parts.extensions.get::<ActorSlot>()
            && let Ok(actor) = caller.actor()
        {
            slot.set(actor);
        }
        Ok(caller)
    }
}

impl FromRequestParts<AppState> for Source {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        Ok(source(parts, state))
    }
}

fn source(parts: &Parts, state: &AppState) -> Source {
    let peer = parts.extensions.get::<Peer>();
    peer::source(peer, &parts.headers, state.settings())
}

/// Among whose requests the caller's are counted.
fn origin(caller: &Caller) -> Origin<'_> {
    match caller.known() {
        None => Origin::at(caller.source()),
        Some(principal) => match &principal.workload {
            Some(workload) => Origin::Workload(principal.account_id, &workload.audited),
            None => Origin::Account(principal.account_id),
        },
    }
}

/// The organisation that an address of the API names.
async fn organization_of_api(parts: &mut Parts, state: &AppState) -> Option<String> {
    let path = parts.extensions.get::<OriginalUri>()?.path();
    // What was in front of it may be taken off already.
    if !path.starts_with(fh_api::API_PREFIX) {
        return None;
    }
    let names = RawPathParams::from_request_parts(parts, state).await.ok()?;
    let (_, name) = names.iter().find(|(key, _)| *key == "org")?;
    Some(name.to_owned())
}

/// The organisation that an address of the cache names.
fn organization_of_cache(parts: &Parts) -> Option<&str> {
    let path = parts.uri.path().strip_prefix("/cache/")?;
    path.split('/').next()
}
