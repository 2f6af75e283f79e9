//! What was decided about a contested path, as it is remembered.

use fh_access::ViewIdentity;

/// A row that a view has of a contested path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SettledRow {
    pub(super) row_id: i64,
    pub(super) nar_id: i64,
}

/// For which view, which holders and which state of access something was decided.
pub(super) type DecisionKey = (ViewIdentity, u64, u64);
