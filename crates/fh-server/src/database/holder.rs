//! Who holds a path.

/// A slice that holds a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The flake.
    pub(crate) flake_id: i64,
    /// The row of the path in that slice, for [`served`](super::slices::served).
    pub(crate) row_id: i64,
}
