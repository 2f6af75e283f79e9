//! Routes as values: what is served and what is documented come from one place, so that neither can be
//! without the other.
//!
//! Each noun's module lists its routes with what they take and answer. [`router`] makes axum's router of
//! them and [`document`] the OpenAPI document; a test asks every operation of the document as every kind
//! of caller.

use std::collections::BTreeMap;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodRouter, on};
use http::Method;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    InfoBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr, Required, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use crate::state::AppState;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Everybody; credentials are not looked at.
    Nobody,
    /// Everybody; credentials widen the answer, and bad ones are refused.
    Anybody,
    /// Who shows a token or an identity.
    Somebody,
}

/// The schema of a type, and those that it refers to.
struct TypeSchema {
    name: String,
    collect: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl TypeSchema {
    fn of<T: ToSchema + PartialSchema>() -> Self {
        Self {
            name: T::name().into_owned(),
            collect: |schemas| {
                schemas.push((T::name().into_owned(), T::schema()));
                T::schemas(schemas);
            },
        }
    }

    fn reference(&self) -> RefOr<Schema> {
        RefOr::Ref(Ref::from_schema_name(&self.name))
    }
}

enum RequestContent {
    Json(TypeSchema),
    Form(TypeSchema),
    Bytes(&'static str, &'static str),
}

enum AnswerContent {
    Nothing,
    Json(TypeSchema),
    Text(&'static str),
}

/// One operation: a method of an address.
pub(super) struct Route {
    method: Method,
    path: &'static str,
    summary: &'static str,
    asks: Asks,
    handler: MethodRouter<AppState>,
    queries: &'static [(&'static str, &'static str)],
    request: Option<RequestContent>,
    answers: Vec<(u16, AnswerContent)>,
}

impl Route {
    fn new<H, T>(method: Method, path: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        let filter = axum::routing::MethodFilter::try_from(method.clone())
            .unwrap_or(axum::routing::MethodFilter::GET);
        Self {
            method,
            path,
            summary,
            asks: Asks::Somebody,
            handler: on(filter, handler),
            queries: &[],
            request: None,
            answers: Vec::new(),
        }
    }

    /// Who may ask; somebody where nothing is said.
    pub(super) fn asks(mut self, asks: Asks) -> Self {
        self.asks = asks;
        self
    }

    /// Parameters of the query, all optional: names and what they do.
    pub(super) fn queries(mut self, queries: &'static [(&'static str, &'static str)]) -> Self {
        self.queries = queries;
        self
    }

    /// The request has a JSON body.
    pub(super) fn takes<T: ToSchema + PartialSchema>(mut self) -> Self {
        self.request = Some(RequestContent::Json(TypeSchema::of::<T>()));
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

    /// It answers another kind of content with this status.
    pub(super) fn answers_text(mut self, status: u16, media_type: &'static str) -> Self {
        self.answers.push((status, AnswerContent::Text(media_type)));
        self
    }

    /// It answers without a body.
    pub(super) fn answers_nothing(mut self, status: u16) -> Self {
        self.answers.push((status, AnswerContent::Nothing));
        self
    }
}

macro_rules! methods {
    ($($name:ident = $method:ident,)+) => {$(
        #[doc = concat!("A route for ", stringify!($method), ".")]
        pub(super) fn $name<H, T>(path: &'static str, summary: &'static str, handler: H) -> Route
        where
            H: Handler<T, AppState>,
            T: 'static,
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
    /// The noun.
    pub(super) name: &'static str,
    /// The routes.
    pub(super) routes: Vec<Route>,
}

/// The router of these routes, without a prefix.
pub(super) fn router(groups: Vec<Group>) -> Router<AppState> {
    groups
        .into_iter()
        .flat_map(|group| group.routes)
        .fold(Router::new(), |router, route| {
            router.route(route.path, route.handler)
        })
}

/// The OpenAPI document of groups of routes, each with its prefix.
pub(super) fn document(parts: Vec<(&'static str, Vec<Group>)>) -> OpenApi {
    let mut schemas: BTreeMap<String, RefOr<Schema>> = BTreeMap::new();
    let error = TypeSchema::of::<fh_api::ErrorBody>();
    collect(&mut schemas, &error);
    let mut paths = PathsBuilder::new();
    for (prefix, groups) in parts {
        for group in groups {
            for route in &group.routes {
                let schemas_of_route = [
                    match &route.request {
                        Some(RequestContent::Json(schema) | RequestContent::Form(schema)) => {
                            vec![schema]
                        }
                        _ => Vec::new(),
                    },
                    route
                        .answers
                        .iter()
                        .filter_map(|(_, content)| match content {
                            AnswerContent::Json(schema) => Some(schema),
                            _ => None,
                        })
                        .collect(),
                ];
                for schema in schemas_of_route.into_iter().flatten() {
                    collect(&mut schemas, schema);
                }
                let path = format!("{prefix}{}", route.path.replace("{*", "{"));
                let operation = operation(&path, group.name, route, &error);
                paths = paths.path(path, PathItem::new(method(&route.method), operation));
            }
        }
    }
    let mut components = ComponentsBuilder::new();
    for (name, schema) in schemas {
        components = components.schema(name, schema);
    }
    for (name, scheme, description) in [
        (
            "bearer",
            HttpAuthScheme::Bearer,
            "A token of this server, or the identity token of a trusted workload.",
        ),
        (
            "basic",
            HttpAuthScheme::Basic,
            "The same as the password, with any user name: what a netrc can say.",
        ),
    ] {
        let http = HttpBuilder::new()
            .scheme(scheme)
            .description(Some(description))
            .build();
        components = components.security_scheme(name, SecurityScheme::Http(http));
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("fh")
                .version("1")
                .description(Some(DESCRIPTION))
                .build(),
        )
        .paths(paths.build())
        .components(Some(components.build()))
        .build()
}

const DESCRIPTION: &str = "A Nix binary cache with access control per flake. What the caller may not \
     see is answered as what does not exist: 404, the same to the byte. Every error of the API has the \
     body ErrorBody; addresses that Nix asks answer errors as plain text.";

fn collect(all: &mut BTreeMap<String, RefOr<Schema>>, schema: &TypeSchema) {
    let mut found = Vec::new();
    (schema.collect)(&mut found);
    all.extend(found);
}

fn method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn text() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .into()
}

fn operation(
    path: &str,
    noun: &str,
    route: &Route,
    error: &TypeSchema,
) -> utoipa::openapi::path::Operation {
    let mut operation = OperationBuilder::new()
        .tag(noun)
        .summary(Some(route.summary));
    for name in path
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
    {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(text())),
        );
    }
    for (name, description) in route.queries {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(*name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(*description))
                .schema(Some(text())),
        );
    }
    if let Some(request) = &route.request {
        let (media_type, schema, description) = match request {
            RequestContent::Json(schema) => ("application/json", schema.reference(), None),
            RequestContent::Form(schema) => (
                "application/x-www-form-urlencoded",
                schema.reference(),
                None,
            ),
            RequestContent::Bytes(media_type, description) => {
                (*media_type, text(), Some(*description))
            }
        };
        operation = operation.request_body(Some(
            RequestBodyBuilder::new()
                .description(description)
                .content(
                    media_type,
                    ContentBuilder::new().schema(Some(schema)).build(),
                )
                .required(Some(Required::True))
                .build(),
        ));
    }
    for (status, content) in &route.answers {
        let response = ResponseBuilder::new();
        let response = match content {
            AnswerContent::Nothing => response.description("Done."),
            AnswerContent::Json(schema) => response.description(&schema.name).content(
                "application/json",
                ContentBuilder::new()
                    .schema(Some(schema.reference()))
                    .build(),
            ),
            AnswerContent::Text(media_type) => response.description("As text or bytes.").content(
                *media_type,
                ContentBuilder::new().schema(Some(text())).build(),
            ),
        };
        operation = operation.response(status.to_string(), response.build());
    }
    operation = operation.response(
        "default",
        ResponseBuilder::new()
            .description("What went wrong.")
            .content(
                "application/json",
                ContentBuilder::new()
                    .schema(Some(error.reference()))
                    .build(),
            )
            .build(),
    );
    let none: [&str; 0] = [];
    let schemes = ["bearer", "basic"].map(|name| SecurityRequirement::new(name, none));
    match route.asks {
        Asks::Nobody => operation,
        Asks::Anybody => operation
            .security(SecurityRequirement::default())
            .securities(Some(
                [SecurityRequirement::default()].into_iter().chain(schemes),
            )),
        Asks::Somebody => operation.securities(Some(schemes)),
    }
    .build()
}
