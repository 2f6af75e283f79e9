//! Routes as values: what is served and what is documented come from one place, so that neither can be
//! without the other.
//!
//! Each noun's module lists its routes with what they answer; what they take is read off their handlers'
//! arguments ([`extracts`]), and most of how they refuse follows from that ([`refusals`]). [`router`] makes
//! axum's router of them and [`document()`] the OpenAPI document; a test asks every operation of the document as
//! every kind of caller.

mod document;
mod extracts;
mod refusals;
mod schema;

use std::collections::HashSet;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodRouter, on};
use http::Method;
use tower::util::MapResponseLayer;
use utoipa::{PartialSchema, ToSchema};

pub(super) use self::document::document;
use self::extracts::Arguments;
pub(super) use self::extracts::{Argument, Taken};
pub(super) use self::refusals::Errors;
use self::schema::TypeSchema;
use crate::answer::as_plain_text;
use crate::state::AppState;

/// Who may ask a route that looks at credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Everybody; credentials widen the answer, and bad ones are refused.
    Anybody,
    /// Who shows a token or an identity.
    Somebody,
}

enum RequestContent {
    Json(TypeSchema),
    OptionalJson(TypeSchema),
    Form(TypeSchema),
    Bytes(&'static str, &'static str),
}

enum AnswerContent {
    Nothing,
    Json(TypeSchema),
    /// JSON of a shape that others define.
    AnyJson,
    Other(&'static str),
}

/// A name in an address that the handler takes apart itself.
#[derive(Clone, Copy)]
pub(super) struct NamedPart {
    /// As it stands in the address.
    pub(super) name: &'static str,
    /// What it names, for the document.
    pub(super) description: &'static str,
    /// One that is there on every server, if there is one.
    pub(super) example: Option<&'static str>,
}

/// One operation: a method of an address.
pub(super) struct Route {
    method: Method,
    path: &'static str,
    served_at: &'static str,
    summary: &'static str,
    asks: Asks,
    handler: MethodRouter<AppState>,
    taken: Taken,
    parts: &'static [NamedPart],
    request: Option<RequestContent>,
    answers: Vec<(u16, AnswerContent)>,
    errors: Errors,
    refuses: &'static [u16],
}

impl Route {
    fn new<H, T>(method: Method, path: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: Arguments + 'static,
    {
        let filter = axum::routing::MethodFilter::try_from(method.clone())
            .unwrap_or(axum::routing::MethodFilter::GET);
        Self {
            method,
            path,
            served_at: path,
            summary,
            asks: Asks::Somebody,
            handler: on(filter, handler),
            taken: T::taken(),
            parts: &[],
            request: None,
            answers: Vec::new(),
            errors: Errors::Json,
            refuses: &[],
        }
    }

    /// Who may ask, of a route that looks at credentials; somebody where nothing is said.
    pub(super) fn asks(mut self, asks: Asks) -> Self {
        self.asks = asks;
        self
    }

    /// The address that is routed, where a name in it stands for several segments: the document cannot say that.
    /// Routes that are served at the same one have the same handler.
    pub(super) fn served_at(mut self, path: &'static str) -> Self {
        self.served_at = path;
        self
    }

    /// Names in the address that the handler takes apart itself.
    pub(super) fn parts(mut self, parts: &'static [NamedPart]) -> Self {
        self.parts = parts;
        self
    }

    /// The request has a JSON body.
    pub(super) fn takes<T: ToSchema + PartialSchema>(mut self) -> Self {
        self.request = Some(RequestContent::Json(TypeSchema::of::<T>()));
        self
    }

    /// The request may have a JSON body, and needs none.
    pub(super) fn may_take<T: ToSchema + PartialSchema>(mut self) -> Self {
        self.request = Some(RequestContent::OptionalJson(TypeSchema::of::<T>()));
        self
    }

    /// The request has the body of a form.
    pub(super) fn takes_form<T: ToSchema + PartialSchema>(mut self) -> Self {
        self.request = Some(RequestContent::Form(TypeSchema::of::<T>()));
        self
    }

    /// The request has a body of bytes.
    pub(super) fn takes_bytes(
        mut self,
        media_type: &'static str,
        description: &'static str,
    ) -> Self {
        self.request = Some(RequestContent::Bytes(media_type, description));
        self
    }

    /// It answers JSON with this status.
    pub(super) fn answers<T: ToSchema + PartialSchema>(mut self, status: u16) -> Self {
        let content = AnswerContent::Json(TypeSchema::of::<T>());
        self.answers.push((status, content));
        self
    }

    /// It answers an object in JSON with this status, of a shape that others define.
    pub(super) fn answers_any_json(mut self, status: u16) -> Self {
        self.answers.push((status, AnswerContent::AnyJson));
        self
    }

    /// It answers text or bytes with this status. Said again for another media type, it answers either.
    pub(super) fn answers_other(mut self, status: u16, media_type: &'static str) -> Self {
        self.answers
            .push((status, AnswerContent::Other(media_type)));
        self
    }

    /// It answers without a body.
    pub(super) fn answers_nothing(mut self, status: u16) -> Self {
        self.answers.push((status, AnswerContent::Nothing));
        self
    }

    /// The body of its errors; [`Errors::Json`] where nothing is said.
    pub(super) fn errors(mut self, errors: Errors) -> Self {
        self.errors = errors;
        self
    }

    /// Statuses that it refuses with beside those that follow from what it takes.
    pub(super) fn refuses(mut self, statuses: &'static [u16]) -> Self {
        self.refuses = statuses;
        self
    }

    /// Its handler, and around it what makes its errors what they are said to be.
    fn service(self) -> MethodRouter<AppState> {
        match self.errors {
            Errors::Text => self.handler.layer(MapResponseLayer::new(as_plain_text)),
            // OAuth's are made by the handler, which knows the word for each.
            Errors::Json | Errors::OAuth => self.handler,
        }
    }
}

macro_rules! methods {
    ($($name:ident = $method:ident,)+) => {$(
        #[doc = concat!("A route for ", stringify!($method), ".")]
        pub(super) fn $name<H, T>(path: &'static str, summary: &'static str, handler: H) -> Route
        where
            H: Handler<T, AppState>,
            T: Arguments + 'static,
        {
            Route::new(Method::$method, path, summary, handler)
        }
    )+};
}

methods! {
    get = GET,
    post = POST,
    put = PUT,
    patch = PATCH,
    delete = DELETE,
}

/// Routes with the noun that heads them in the document.
pub(super) struct Group {
    /// The noun that the routes are about.
    pub(super) name: &'static str,
    /// Its routes, in the order of the document.
    pub(super) routes: Vec<Route>,
}

/// The router of these routes, without a prefix.
pub(super) fn router(groups: Vec<Group>) -> Router<AppState> {
    let mut served = HashSet::new();
    let mut router = Router::new();
    for route in groups.into_iter().flat_map(|group| group.routes) {
        let path = route.served_at;
        if served.insert((route.method.clone(), path)) {
            router = router.route(path, route.service());
        }
    }
    router
}
