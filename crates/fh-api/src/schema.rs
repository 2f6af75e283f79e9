//! Schemas of the values that stand in JSON as text with rules of its own.

use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, schema::SchemaType};
use utoipa::{PartialSchema, ToSchema};

use crate::{FlakeName, FlakePattern, ForgeRoot, Name, Network, Subject};

macro_rules! texts {
    ($($name:ident: $description:literal, $example:literal;)+) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(SchemaType::Type(Type::String))
                    .description(Some($description))
                    .examples([$example])
                    .into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

texts! {
    Name: "Up to 64 letters, digits, dots, hyphens and underscores; case does not count.", "acme";
    FlakeName: "org/project", "acme/app";
    FlakePattern: "A flake (org/project), all of an organisation (org/*), or all (*).", "acme/*";
    ForgeRoot: "github:OWNER, gitlab:HOST/GROUP, aws:ACCOUNT or kubernetes:ISSUER.", "github:acme";
    Network: "CIDR notation.", "10.0.0.0/8";
    Subject: "A user (NAME or user:NAME), a team (team:NAME), or all members (@members).", "team:builders";
}
