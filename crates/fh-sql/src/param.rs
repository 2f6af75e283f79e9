//! Values that a statement is given.

use rusqlite::types::{ToSqlOutput, ValueRef};

/// A value as an engine takes it, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param<'a> {
    /// No value.
    Null,
    /// A whole number, a flag (0 or 1), or microseconds since 1970.
    Integer(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// What a statement can be given.
pub trait ToParam {
    /// As an engine takes it.
    fn to_param(&self) -> Param<'_>;
}

/// As the driver takes them.
pub(crate) fn bound(params: &[&dyn ToParam]) -> impl rusqlite::Params {
    let values = params.iter().map(|param| {
        ToSqlOutput::Borrowed(match param.to_param() {
            Param::Null => ValueRef::Null,
            Param::Integer(number) => ValueRef::Integer(number),
            Param::Text(text) => ValueRef::Text(text.as_bytes()),
            Param::Bytes(bytes) => ValueRef::Blob(bytes),
        })
    });
    rusqlite::params_from_iter(values)
}

macro_rules! integers {
    ($($integer:ty),*) => {
        $(impl ToParam for $integer {
            fn to_param(&self) -> Param<'_> {
                Param::Integer(i64::from(*self))
            }
        })*
    };
}

integers!(bool, u8, u16, u32, i32, i64);

impl ToParam for str {
    fn to_param(&self) -> Param<'_> {
        Param::Text(self)
    }
}

impl ToParam for String {
    fn to_param(&self) -> Param<'_> {
        Param::Text(self)
    }
}

impl ToParam for [u8] {
    fn to_param(&self) -> Param<'_> {
        Param::Bytes(self)
    }
}

impl<const N: usize> ToParam for [u8; N] {
    fn to_param(&self) -> Param<'_> {
        Param::Bytes(self)
    }
}

impl ToParam for Vec<u8> {
    fn to_param(&self) -> Param<'_> {
        Param::Bytes(self)
    }
}

impl<T: ToParam + ?Sized> ToParam for &T {
    fn to_param(&self) -> Param<'_> {
        (**self).to_param()
    }
}

impl<T: ToParam> ToParam for Option<T> {
    fn to_param(&self) -> Param<'_> {
        self.as_ref().map_or(Param::Null, ToParam::to_param)
    }
}
