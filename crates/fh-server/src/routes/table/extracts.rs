//! What a handler takes out of a request, read off its arguments: so the document names the parameters that
//! are parsed, with the types that they are parsed to, and no others.

use axum::extract::{Request, State};
use fh_access::Caller;
use fh_access::Source;
use http::HeaderMap;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::state::AppState;

/// What one argument, or all of them, take out of a request.
#[derive(Default)]
pub(in crate::routes) struct Taken {
    /// Parameters of the address and the query.
    pub(super) parameters: Vec<Parameter>,
    /// Credentials are looked at.
    pub(super) caller: bool,
    /// The query is parsed, and refused where it is none of those parameters.
    pub(super) query: bool,
}

impl Taken {
    /// The names in an address that a type is parsed from.
    pub(in crate::routes) fn names<T: IntoParams>() -> Self {
        Self {
            parameters: T::into_params(|| Some(ParameterIn::Path)),
            ..Self::default()
        }
    }

    /// The parameters of a query that a type is parsed from.
    pub(in crate::routes) fn query<T: IntoParams>() -> Self {
        Self {
            parameters: T::into_params(|| Some(ParameterIn::Query)),
            query: true,
            ..Self::default()
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.parameters.extend(other.parameters);
        self.caller |= other.caller;
        self.query |= other.query;
        self
    }
}

/// An argument of a handler.
pub(in crate::routes) trait Argument {
    /// What of a request it takes, for the document.
    fn taken() -> Taken;
}

macro_rules! take_nothing_documented {
    ($($type:ty),+) => {$(
        impl Argument for $type {
            fn taken() -> Taken {
                Taken::default()
            }
        }
    )+};
}

// A body is documented by the route, which says of what type it is.
take_nothing_documented!(State<AppState>, Source, HeaderMap, Request);

impl Argument for Caller {
    fn taken() -> Taken {
        Taken {
            caller: true,
            ..Taken::default()
        }
    }
}

/// The arguments of a handler, as axum tells handlers apart by them: the first of the tuple is a mark of its own.
pub(in crate::routes) trait Arguments {
    /// What they take together.
    fn taken() -> Taken;
}

impl Arguments for ((),) {
    fn taken() -> Taken {
        Taken::default()
    }
}

macro_rules! arguments {
    ($($argument:ident),+) => {
        impl<Mark, $($argument: Argument),+> Arguments for (Mark, $($argument,)+) {
            fn taken() -> Taken {
                Taken::default()$(.and($argument::taken()))+
            }
        }
    };
}

arguments!(A);
arguments!(A, B);
arguments!(A, B, C);
arguments!(A, B, C, D);
arguments!(A, B, C, D, E);
