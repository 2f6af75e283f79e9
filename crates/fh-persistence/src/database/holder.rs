//! Who holds a path.

/// A slice that holds a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The id of the flake whose slice it is.
    pub flake_id: i64,
    /// The row of the path in that slice, for [`served`](super::slices::served).
    pub row_id: i64,
}
