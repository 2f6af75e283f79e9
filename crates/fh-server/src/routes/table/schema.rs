//! Schemas of the document.

use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// The schema of a type, and those that it refers to.
pub(super) struct TypeSchema {
    pub(super) name: String,
    pub(super) collect: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl TypeSchema {
    /// That of a type.
    pub(super) fn of<T: ToSchema + PartialSchema>() -> Self {
        Self {
            name: T::name().into_owned(),
            collect: |schemas| {
                schemas.push((T::name().into_owned(), T::schema()));
                T::schemas(schemas);
            },
        }
    }

    /// A reference to it among the document's components.
    pub(super) fn reference(&self) -> RefOr<Schema> {
        RefOr::Ref(Ref::from_schema_name(&self.name))
    }
}

/// The schema of a text.
pub(super) fn text() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .into()
}
