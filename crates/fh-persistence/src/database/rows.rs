//! Rows of an answer as values: of several columns by their names, else one after the other.

use fh_api::{
    FlakeName, FlakePattern, ForgeRoot, Name, NameKind, Network, OrganizationRole, Permission,
    Provider, PushRule, RenewalRule, Role, UserKind, Visibility,
};
use fh_nix::{ContentAddress, DrvOutput, NarHash, PublicKey, Signature, StorePath, StorePathHash};
use fh_sql::{Column, Read, Row, ToParam, Value};
use serde_json::Value as Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{DatabaseError, Timestamp};
use crate::checksum::Checksum;

/// What a column can be read as. A column that may be null is read as an `Option`, one of several values that are
/// separated by spaces as a `Vec`.
pub(super) trait FromField: Sized {
    fn from_field(row: &Row<'_>, column: Column<'_>) -> Result<Self, DatabaseError>;
}

/// What a row can be read as: a single column, a tuple of the columns in their order, or a type that has
/// [`from_row`].
pub(super) trait FromRow: Sized {
    fn from_row(row: &Row<'_>) -> Result<Self, DatabaseError>;
}

/// The column of that name.
pub(super) fn column<T: FromField>(row: &Row<'_>, name: &str) -> Result<T, DatabaseError> {
    T::from_field(row, Column::Name(name))
}

/// Lets a type be read from rows: each of its fields from the column of its name, from one of another name, or by a
/// function of the row: `from_row!(Flake: uuid, path_count = "paths", name by flake_name)`.
macro_rules! from_row {
    (@field $row:ident $field:ident) => {
        $crate::database::rows::column($row, stringify!($field))
    };
    (@field $row:ident $field:ident = $column:literal) => {
        $crate::database::rows::column($row, $column)
    };
    (@field $row:ident $field:ident by $read:ident) => {
        $read($row)
    };
    ($type:ident: $($field:ident $(= $column:literal)? $(by $read:ident)?),*) => {
        impl $crate::database::rows::FromRow for $type {
            fn from_row(
                row: &fh_sql::Row<'_>,
            ) -> Result<Self, $crate::database::DatabaseError> {
                Ok(Self {
                    $($field: $crate::database::rows::from_row!(
                        @field row $field $(= $column)? $(by $read)?
                    )?),*
                })
            }
        }
    };
}
pub(super) use from_row;

/// All rows of a query.
pub(super) fn all<T: FromRow>(
    read: &Read,
    sql: &str,
    params: &[&dyn ToParam],
) -> Result<Vec<T>, DatabaseError> {
    read.all(sql, params, T::from_row)
}

/// The first row of a query, if there is one.
pub(super) fn first<T: FromRow>(
    read: &Read,
    sql: &str,
    params: &[&dyn ToParam],
) -> Result<Option<T>, DatabaseError> {
    read.first(sql, params, T::from_row)
}

/// The row of a query that always has one, such as a count.
pub(super) fn one<T: FromRow>(
    read: &Read,
    sql: &str,
    params: &[&dyn ToParam],
) -> Result<T, DatabaseError> {
    read.one(sql, params, T::from_row)
}

/// Whether a query has a row.
pub(super) fn exists(
    read: &Read,
    sql: &str,
    params: &[&dyn ToParam],
) -> Result<bool, DatabaseError> {
    Ok(read
        .first(sql, params, |_| Ok::<_, DatabaseError>(()))?
        .is_some())
}

/// The columns `org` and `project` as a flake's name.
pub(super) fn flake_name(row: &Row<'_>) -> Result<FlakeName, DatabaseError> {
    Ok(FlakeName {
        org: column(row, "org")?,
        project: column(row, "project")?,
    })
}

/// The columns `org` and `project`: all flakes of an organisation where `project` is null.
pub(super) fn read_pattern(row: &Row<'_>) -> Result<FlakePattern, DatabaseError> {
    let org = column(row, "org")?;
    Ok(match column(row, "project")? {
        None => FlakePattern::Organization(org),
        Some(project) => FlakePattern::Flake(FlakeName { org, project }),
    })
}

/// A column that holds JSON.
pub(super) fn json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    name: &'static str,
) -> Result<T, DatabaseError> {
    serde_json::from_str(row.text(name)?).map_err(|error| DatabaseError::invalid(name, error))
}

impl<T: FromField> FromRow for T {
    fn from_row(row: &Row<'_>) -> Result<Self, DatabaseError> {
        T::from_field(row, Column::Position(0))
    }
}

macro_rules! tuples {
    ($(($($type:ident $position:literal),*))*) => {
        $(impl<$($type: FromField),*> FromRow for ($($type,)*) {
            fn from_row(row: &Row<'_>) -> Result<Self, DatabaseError> {
                Ok(($($type::from_field(row, Column::Position($position))?,)*))
            }
        })*
    };
}

tuples!((A 0, B 1)(A 0, B 1, C 2)(A 0, B 1, C 2, D 3));

impl<T: FromField> FromField for Option<T> {
    fn from_field(row: &Row<'_>, column: Column<'_>) -> Result<Self, DatabaseError> {
        match row.value(column)? {
            Value::Null => Ok(None),
            _ => T::from_field(row, column).map(Some),
        }
    }
}

/// Types that the engine's values are.
macro_rules! values {
    ($($type:ty),* $(,)?) => {
        $(impl FromField for $type {
            fn from_field(row: &Row<'_>, column: Column<'_>) -> Result<Self, DatabaseError> {
                Ok(row.get(column)?)
            }
        })*
    };
}

values!(
    bool,
    i64,
    u64,
    String,
    Vec<u8>,
    [u8; 20],
    [u8; 32],
    Timestamp
);

/// Types that are made of such a value.
macro_rules! made_of {
    ($($type:ty: $make:path),* $(,)?) => {
        $(impl FromField for $type {
            fn from_field(row: &Row<'_>, column: Column<'_>) -> Result<Self, DatabaseError> {
                Ok($make(row.get(column)?))
            }
        })*
    };
}

made_of!(
    Checksum: Checksum::from_column,
    NarHash: NarHash::from_bytes,
    OffsetDateTime: Timestamp::to_date_time,
    StorePathHash: StorePathHash::from_bytes,
);

/// Types whose text is stored.
macro_rules! texts {
    ($($type:ty),* $(,)?) => {
        $(impl $crate::database::rows::FromField for $type {
            fn from_field(
                row: &fh_sql::Row<'_>,
                column: fh_sql::Column<'_>,
            ) -> Result<Self, $crate::database::DatabaseError> {
                $crate::database::rows::parsed(row.text(column)?, row, column)
            }
        })*
    };
}
pub(super) use texts;

texts!(
    ContentAddress,
    DrvOutput,
    FlakeName,
    ForgeRoot,
    Json,
    Name,
    NameKind,
    OrganizationRole,
    Provider,
    PublicKey,
    PushRule,
    RenewalRule,
    Role,
    StorePath,
    UserKind,
    Uuid,
    Visibility,
);

/// Types of which several are stored as their texts.
macro_rules! words {
    ($($type:ty),* $(,)?) => {
        $(impl FromField for Vec<$type> {
            fn from_field(row: &Row<'_>, column: Column<'_>) -> Result<Self, DatabaseError> {
                let words = row.text(column)?.split_ascii_whitespace();
                words.map(|word| parsed(word, row, column)).collect()
            }
        })*
    };
}

words!(
    FlakePattern,
    Network,
    Permission,
    PublicKey,
    Signature,
    StorePath,
    Uuid
);

/// A text of a column as a value.
pub(super) fn parsed<T>(text: &str, row: &Row<'_>, column: Column<'_>) -> Result<T, DatabaseError>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error: T::Err| {
        let name = match column {
            Column::Name(name) => Some(name),
            Column::Position(position) => row.columns().get(position).copied(),
        };
        DatabaseError::invalid(name.unwrap_or("value").to_owned(), error)
    })
}
