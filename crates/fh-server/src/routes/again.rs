//! Handles a request again whose caller was decided about too early.
//!
//! ```text
//! Caller (of one generation) ─▶ may they? ─▶ body ─▶ transaction ─▶ answer
//!    ▲                                                 │ the generation has moved on: nothing is written
//!    └──────────── the same request and body ◀─────────┘
//! ```
//!
//! A body may take a while, and so may the way to the writing connection. In that time the caller may
//! have lost what let them in. That is noticed once the body was read, before anything is read for
//! them, and at the latest by the transaction ([`fh_persistence::database::Decided`]). Then the handler runs
//! once more from its start, with the same headers and the bytes that were read. So whatever takes
//! effect, its caller could have begun at that instant; and who could not is told what everybody is
//! told who could not.
//!
//! Invariants:
//! - a handler answers that it is stale only where nothing of what it was asked for took effect, or
//!   where doing it again does nothing more;
//! - a body is kept only once it was read to its end, which a handler does only for those who may ask;
//! - bodies that are not kept (the content of pushes) are not handled again. What they bring counts for
//!   nothing before a commit, which is decided anew.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use fh_access::ApiError;
use fh_persistence::database::Database;
use fh_shares::{Holders, Share, Shares};
use http::Method;

use super::caller::{Again, DecidedSlot};
use crate::answer::is_stale;
use crate::peer::{self, Peer};
use crate::state::AppState;

/// How often one request is handled. From the second run on it holds the turn in which access changes, so
/// that only what the server does by itself can make it stale once more.
const RUNS: usize = 8;

/// What a request's body is read under, among the request's extensions.
#[derive(Clone)]
pub(super) struct Terms {
    /// In which time most bodies have to be here.
    pub(super) body_time: Duration,
    /// In which time the plan of a push has to be.
    pub(super) plan_time: Duration,
    database: Database,
    decided: DecidedSlot,
    /// Where the request comes from, for who is nobody.
    from: Holders,
    memory: Shares,
    /// The body, once it was read, and the memory that it takes; none in it where it is not kept.
    kept: Arc<OnceLock<Option<Kept>>>,
}

/// A body and the memory that was taken for it.
type Kept = (Bytes, Option<Share>);

impl Terms {
    /// Notes that a body is being taken that is not kept.
    pub(super) fn take(&self) {
        let _ = self.kept.set(None);
    }

    /// Takes the memory for a body of so many bytes, and waits for it where the caller has too much of it. None is
    /// taken for one that was read before.
    ///
    /// # Errors
    /// 503 where too many bodies of theirs are waiting.
    pub(super) async fn memory(&self, bytes: u64) -> Result<Option<Share>, ApiError> {
        if self.kept.get().is_some() {
            return Ok(None);
        }
        let holders = self.decided.holders().unwrap_or(self.from);
        let taken = self.memory.take(holders, bytes).await.map_err(|_| {
            ApiError::Unavailable(
                "too many requests of this account or address are waiting, try again".to_owned(),
            )
        });
        taken.map(Some)
    }

    /// Keeps a body that has come to its end, and the memory that was taken for it.
    ///
    /// # Errors
    /// [`ApiError::Stale`] where the caller has to be decided about again before anything is read for
    /// them.
    pub(super) fn end(&self, body: &Bytes, memory: Option<Share>) -> Result<(), ApiError> {
        // In a later run it is the same one.
        let _ = self.kept.set(Some((body.clone(), memory)));
        match self.decided.get() {
            Some(decided) if !self.database.stands(decided) => Err(ApiError::Stale),
            _ => Ok(()),
        }
    }
}

/// Handles a request, and again where it was decided too early.
pub(super) async fn handle(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let timeouts = &state.settings().timeouts;
    let peer = request.extensions().get::<Peer>();
    let source = peer::source(peer, request.headers(), state.settings());
    let terms = Terms {
        body_time: timeouts.body,
        plan_time: timeouts.plan,
        database: state.database().clone(),
        decided: DecidedSlot::default(),
        from: Holders::new(None, source.address),
        memory: state.limiter().body_memory().clone(),
        kept: Arc::default(),
    };
    request.extensions_mut().insert(terms.decided.clone());
    request.extensions_mut().insert(terms.clone());
    let (parts, body) = request.into_parts();
    let mut again = parts.clone();
    again.extensions.insert(Again);
    let mut response = next.clone().run(Request::from_parts(parts, body)).await;
    for _ in 1..RUNS {
        if !is_stale(&response) {
            break;
        }
        let body = match terms.kept.get() {
            Some(Some((body, _))) => Body::from(body.clone()),
            Some(None) => break,
            // The handler has not looked at it.
            None => Body::empty(),
        };
        let _turn = state.database().turn().await;
        let mut request = Request::from_parts(again.clone(), body);
        // Of who is asking now.
        let terms = Terms {
            decided: DecidedSlot::default(),
            ..terms.clone()
        };
        request.extensions_mut().insert(terms.decided.clone());
        request.extensions_mut().insert(terms);
        response = next.clone().run(request).await;
    }
    response
}
