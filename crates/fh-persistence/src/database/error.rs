//! Why the database did not do what it was asked.

use std::borrow::Cow;

use fh_sql::{Refusal, SqlError};

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// What the engine, the file or a stored value made impossible.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// What decides about access has changed since the decision that was to be carried out. Nothing was
    /// written, and it has to be decided again.
    #[error("the access rules have changed in the meantime")]
    Stale,
    /// The room that is left on the disk is kept for taking access away, and for giving room back.
    #[error("there is no space left on the disk")]
    NoRoom,
    /// The account has had its share of the room that is kept for taking access away.
    #[error("the account has changed as much as one may while the disk is full")]
    ReserveShare,
    /// The task that used the database was torn down.
    #[error("a database task did not finish")]
    Task,
}

impl DatabaseError {
    /// Whether trying again may help.
    pub fn is_busy(&self) -> bool {
        self.refusal() == Some(Refusal::Busy)
    }

    /// Whether there is no space left on the disk.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::NoRoom) || self.refusal() == Some(Refusal::Full)
    }

    /// Whether what was to be written may be on disk after all, and be found there by the next start.
    pub fn may_have_committed(&self) -> bool {
        matches!(self, Self::Task) || self.refusal() == Some(Refusal::Disk)
    }

    /// Whether a value that must be unique is there already.
    pub fn is_unique_violation(&self) -> bool {
        self.refusal() == Some(Refusal::Unique)
    }

    /// A stored value that is not what its column may hold.
    pub fn invalid(
        what: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let (what, source) = (what.into(), source.into());
        Self::Sql(SqlError::Invalid { what, source })
    }

    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Sql(error) => error.refusal(),
            _ => None,
        }
    }
}

/// The error of a change, which tells whether the disk is full.
pub trait TellsFull {
    /// Whether there is no space left on the disk.
    fn is_full(&self) -> bool;
}

impl TellsFull for DatabaseError {
    fn is_full(&self) -> bool {
        // Its own function, and not this one.
        Self::is_full(self)
    }
}
