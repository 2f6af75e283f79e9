//! Questions to a database and changes of it, without a type of a driver.
//!
//! This crate alone knows which engine there is, and it knows no table. A [`Connection`] gives a [`Read`], on which
//! all that is asked is of one instant, or a [`Tx`], which also changes something and is on disk once it is committed.
//!
//! Invariants:
//! - a reading cannot write: what changes something takes a [`Tx`];
//! - a statement stays prepared on its connection, by its text;
//! - a transaction that is dropped has changed nothing.

mod connection;
mod error;
mod migrate;
mod param;
mod problems;
mod read;
mod row;
mod tx;
mod value;

pub use connection::{Connection, READERS, data_version};
pub use error::{Refusal, SqlError};
pub use migrate::{migrate, version};
pub use param::{Param, ToParam};
pub use problems::problems;
pub use read::Read;
pub use row::{Column, Row, parse};
pub use tx::Tx;
pub use value::{FromColumn, Value};

/// The parameters of a statement, in the order of their numbers: `params![id, name]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$(&$value as &dyn $crate::ToParam),*] as &[&dyn $crate::ToParam]
    };
}
