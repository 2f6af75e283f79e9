//! The OpenAPI document of routes.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathsBuilder,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{
    ComponentsBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    InfoBuilder, OpenApi, OpenApiBuilder, PathItem, RefOr, Required, Response, ResponseBuilder,
};

use super::schema::text;
use super::{AnswerContent, Asks, Group, NamedPart, RequestContent, Route, refusals};

/// The OpenAPI document of groups of routes, each with its prefix.
pub(in crate::routes) fn document(parts: Vec<(&'static str, Vec<Group>)>) -> OpenApi {
    let mut schemas = BTreeMap::new();
    let mut responses = BTreeMap::new();
    let mut paths = PathsBuilder::new();
    for (prefix, groups) in parts {
        for group in groups {
            for route in &group.routes {
                collect(&mut schemas, route);
                let path = format!("{prefix}{}", route.path);
                let operation = operation(&path, group.name, route, &mut responses);
                paths = paths.path(path, PathItem::new(method(&route.method), operation));
            }
        }
    }
    let mut components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .responses_from_iter(responses);
    for (name, scheme, description) in [
        (
            "bearer",
            HttpAuthScheme::Bearer,
            "A token of this server, or the identity token of a trusted workload.",
        ),
        (
            "basic",
            HttpAuthScheme::Basic,
            "The same as the password, with any user name, as in a netrc.",
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

const DESCRIPTION: &str = "A Nix binary cache with access control per flake. What the caller may not see is \
     answered like what does not exist: 404, byte for byte. Errors of the API have the \
     body ErrorBody, those of /oauth/token OAuthErrorBody; addresses that Nix asks answer errors as plain \
     text. Every GET also works as HEAD. A method that an address does not accept is answered with 405.";

/// Collects the schemas that a route refers to, and those that they refer to.
fn collect(all: &mut BTreeMap<String, RefOr<Schema>>, route: &Route) {
    let request = match &route.request {
        Some(
            RequestContent::Json(schema)
            | RequestContent::OptionalJson(schema)
            | RequestContent::Form(schema),
        ) => Some(schema),
        Some(RequestContent::Bytes(..)) | None => None,
    };
    let answers = route
        .answers
        .iter()
        .filter_map(|(_, content)| match content {
            AnswerContent::Json(schema) => Some(schema),
            AnswerContent::AnyJson | AnswerContent::Other(_) | AnswerContent::Nothing => None,
        });
    let errors = route.errors.schema();
    for schema in request.into_iter().chain(answers).chain(&errors) {
        let mut found = Vec::new();
        (schema.collect)(&mut found);
        all.extend(found);
    }
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

fn operation(
    path: &str,
    noun: &str,
    route: &Route,
    responses: &mut BTreeMap<String, Response>,
) -> Operation {
    let mut operation = OperationBuilder::new()
        .tag(noun)
        .summary(Some(route.summary));
    for parameter in parameters(path, route) {
        operation = operation.parameter(parameter);
    }
    operation = operation.request_body(route.request.as_ref().map(body));
    for (status, response) in answers(&route.answers) {
        operation = operation.response(status.to_string(), response);
    }
    for status in statuses(route) {
        let (reference, name, response) = route.errors.response(status);
        responses.insert(name, response);
        operation = operation.response(status.to_string(), RefOr::<Response>::Ref(reference));
    }
    if !route.taken.caller {
        return operation.build();
    }
    let none: [&str; 0] = [];
    let schemes = ["bearer", "basic"].map(|name| SecurityRequirement::new(name, none));
    match route.asks {
        Asks::Anybody => operation.securities(Some(
            [SecurityRequirement::default()].into_iter().chain(schemes),
        )),
        Asks::Somebody => operation.securities(Some(schemes)),
    }
    .build()
}

/// Those of the address in its order, then those of the query.
fn parameters(path: &str, route: &Route) -> Vec<Parameter> {
    let segments = path.split('{').skip(1);
    let names = segments.filter_map(|rest| rest.split('}').next());
    let of_path = names.map(|name| {
        let mut taken = route.taken.parameters.iter();
        let known = taken.find(|known| is_in_path(known) && known.name == name);
        known.cloned().unwrap_or_else(|| {
            let part = route.parts.iter().find(|part| part.name == name);
            plain(name, part)
        })
    });
    let taken = route.taken.parameters.iter();
    let of_query = taken.filter(|known| !is_in_path(known)).cloned();
    of_path.chain(of_query).collect()
}

fn is_in_path(parameter: &Parameter) -> bool {
    parameter.parameter_in == ParameterIn::Path
}

fn plain(name: &str, part: Option<&NamedPart>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(part.map(|part| part.description))
        .example(part.and_then(|part| part.example).map(Into::into))
        .schema(Some(text()))
        .build()
}

fn body(request: &RequestContent) -> RequestBody {
    let (media_type, schema, description) = match request {
        RequestContent::Json(schema) | RequestContent::OptionalJson(schema) => {
            ("application/json", schema.reference(), None)
        }
        RequestContent::Form(schema) => (
            "application/x-www-form-urlencoded",
            schema.reference(),
            None,
        ),
        RequestContent::Bytes(media_type, description) => {
            (*media_type, bytes(), Some(*description))
        }
    };
    let required = match request {
        RequestContent::OptionalJson(_) => Required::False,
        RequestContent::Json(_) | RequestContent::Form(_) | RequestContent::Bytes(..) => {
            Required::True
        }
    };
    RequestBodyBuilder::new()
        .description(description)
        .content(
            media_type,
            ContentBuilder::new().schema(Some(schema)).build(),
        )
        .required(Some(required))
        .build()
}

/// What is answered with each status; one of several media types where that was said.
fn answers(answers: &[(u16, AnswerContent)]) -> BTreeMap<u16, Response> {
    let mut all: BTreeMap<u16, ResponseBuilder> = BTreeMap::new();
    for (status, content) in answers {
        let former = all.remove(status);
        let response = former.unwrap_or_else(|| {
            let description = match content {
                AnswerContent::Nothing => "Without a body.",
                AnswerContent::Json(schema) => &schema.name,
                AnswerContent::AnyJson => "An object.",
                AnswerContent::Other(_) => "As text or bytes.",
            };
            ResponseBuilder::new()
                .description(description)
                .header("X-Request-Id", refusals::request_id())
        });
        let (media_type, schema) = match content {
            AnswerContent::Nothing => {
                all.insert(*status, response);
                continue;
            }
            AnswerContent::Json(schema) => ("application/json", schema.reference()),
            AnswerContent::AnyJson => (
                "application/json",
                ObjectBuilder::new()
                    .schema_type(SchemaType::Type(Type::Object))
                    .into(),
            ),
            AnswerContent::Other(media_type) if media_type.starts_with("text/") => {
                (*media_type, text())
            }
            AnswerContent::Other(media_type) => (*media_type, bytes()),
        };
        let content = ContentBuilder::new().schema(Some(schema)).build();
        all.insert(*status, response.content(media_type, content));
    }
    all.into_iter()
        .map(|(status, response)| (status, response.build()))
        .collect()
}

fn bytes() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
        .into()
}

/// The statuses that a route refuses with.
fn statuses(route: &Route) -> BTreeSet<u16> {
    let mut all: BTreeSet<u16> = route.refuses.iter().copied().collect();
    if route.taken.caller {
        // Credentials that are bad, that are not for this network, or that ask too often; and the database is
        // asked about them.
        all.extend([401, 403, 429, 500, 503]);
    }
    if route.path.contains('{') {
        all.insert(404);
    }
    if route.taken.query {
        all.insert(400);
    }
    match route.request {
        None => {}
        // Of another media type or shape, too slow, too large; or bodies take up too much memory.
        Some(
            RequestContent::Json(_) | RequestContent::OptionalJson(_) | RequestContent::Form(_),
        ) => {
            all.extend([400, 408, 413, 500, 503]);
        }
        // And what is in them is examined.
        Some(RequestContent::Bytes(..)) => all.extend([400, 408, 409, 413, 422, 500, 503]),
    }
    // What a route says itself goes before.
    for (status, _) in &route.answers {
        all.remove(status);
    }
    all
}
