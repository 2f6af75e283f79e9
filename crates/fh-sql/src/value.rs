//! Values of columns.

use rusqlite::types::ValueRef;

/// What a column of a row holds, borrowed from the row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number with a fraction, which no table has.
    Real(f64),
    /// Text, which is UTF-8 unless somebody has damaged it.
    Text(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The text, if it is one.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The bytes, if these are some.
    #[must_use]
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The number, if it is a whole one.
    #[must_use]
    pub fn as_integer(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            _ => None,
        }
    }

    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Integer(_) => "a number",
            Self::Real(_) => "a fraction",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
        }
    }
}

/// As the driver gives it.
pub(crate) fn of_driver(value: ValueRef<'_>) -> Value<'_> {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) => Value::Text(bytes),
        ValueRef::Blob(bytes) => Value::Bytes(bytes),
    }
}

/// What a column can be read as.
pub trait FromColumn: Sized {
    /// What the column must hold, for an error.
    const WANTED: &'static str;

    /// The value, if it is one of this type.
    fn from_value(value: Value<'_>) -> Option<Self>;
}

macro_rules! integers {
    ($($integer:ty),*) => {
        $(impl FromColumn for $integer {
            const WANTED: &'static str = concat!("a number (", stringify!($integer), ")");

            fn from_value(value: Value<'_>) -> Option<Self> {
                value.as_integer()?.try_into().ok()
            }
        })*
    };
}

integers!(u8, u16, u32, i32, i64, u64);

impl FromColumn for bool {
    const WANTED: &'static str = "a flag";

    fn from_value(value: Value<'_>) -> Option<Self> {
        value.as_integer().map(|number| number != 0)
    }
}

impl FromColumn for String {
    const WANTED: &'static str = "a text";

    fn from_value(value: Value<'_>) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl FromColumn for Vec<u8> {
    const WANTED: &'static str = "bytes";

    fn from_value(value: Value<'_>) -> Option<Self> {
        value.as_bytes().map(<[u8]>::to_vec)
    }
}

impl<const N: usize> FromColumn for [u8; N] {
    const WANTED: &'static str = "bytes of a fixed number";

    fn from_value(value: Value<'_>) -> Option<Self> {
        value.as_bytes()?.try_into().ok()
    }
}

impl<T: FromColumn> FromColumn for Option<T> {
    const WANTED: &'static str = T::WANTED;

    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}
