//! Schemas of the values that stand in JSON as text with rules of its own. A pattern says the whole rule; where
//! none can, a format names it.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::text::MAX_LINE;
use crate::{FlakeName, FlakePattern, ForgeRoot, Name, Network, Subject};

/// A name: letters, digits, `-`, `_` and `.`; the first is a letter or a digit, and no two dots stand together.
macro_rules! name {
    () => {
        r"[A-Za-z0-9](\.?[A-Za-z0-9_-])*\.?"
    };
}

/// The schema of a text by its rule.
enum Rule {
    /// It matches this, and has at most so many characters where a number can say that.
    Pattern(&'static str, Option<usize>),
    /// It is what is known by this name.
    Format(&'static str),
}

fn text(description: &str, example: &str, rule: &Rule) -> RefOr<Schema> {
    let text = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .description(Some(description))
        .examples([example]);
    match rule {
        Rule::Pattern(pattern, longest) => text.pattern(Some(*pattern)).max_length(*longest).into(),
        Rule::Format(format) => text
            .format(Some(SchemaFormat::Custom((*format).to_owned())))
            .into(),
    }
}

macro_rules! texts {
    ($($name:ident: $description:literal, $example:literal, $rule:expr;)+) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text($description, $example, &$rule)
            }
        }

        impl ToSchema for $name {}
    )+};
}

/// The schema of a public key as text: `name:base64`.
pub(crate) enum PublicKeyText {}

/// The schema of a store path: its base name, or the full path in the server's store directory.
pub(crate) enum StorePathText {}

/// The schema of what people say of a thing.
pub(crate) enum LineText {}

texts! {
    LineText: "One line without control characters.", "the website",
        Rule::Pattern(r"^[^\u0000-\u001f\u007f-\u009f]*$", Some(MAX_LINE));
    PublicKeyText: "A public key of Nix: name:base64.",
        "cache.example.org-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        Rule::Format("nix-public-key");
    StorePathText: "A store path: its base name, or the full path in the server's store directory.",
        "00000000000000000000000000000000-hello", Rule::Format("store-path-name");
    Name: "Up to 64 letters, digits, dots, hyphens and underscores; case does not count.", "acme",
        Rule::Pattern(concat!("^", name!(), "$"), Some(64));
    FlakeName: "org/project, each a name.", "acme/app",
        Rule::Pattern(concat!("^", name!(), "/", name!(), "$"), None);
    FlakePattern: "A flake (org/project), all of an organisation (org/*), or all (*).", "acme/*",
        Rule::Pattern(concat!(r"^(\*|\*/\*|", name!(), r"/(\*|", name!(), "))$"), None);
    ForgeRoot: "github:OWNER, gitlab:HOST/GROUP, aws:ACCOUNT or kubernetes:ISSUER.", "github:acme",
        Rule::Pattern(
            "^(github:[A-Za-z0-9_-]+|gitlab:[A-Za-z0-9.:-]+(/[A-Za-z0-9._-]+)+|aws:[0-9]{12}|kubernetes:https?://[!-~]*)$",
            Some(500)
        );
    Network: "CIDR notation.", "10.0.0.0/8", Rule::Format("cidr");
    Subject: "A user (NAME or user:NAME), a team (team:NAME), or all members (@members).", "team:builders",
        Rule::Pattern(concat!("^(@members|((team|user):)?", name!(), ")$"), Some(69));
}
