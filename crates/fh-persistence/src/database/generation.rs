//! Counts by which a copy of facts knows that it is out of date.

/// Counts of changes since the start. Equal counts mean that nothing changed in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation {
    /// Changes of anything that decides about access.
    pub access: u64,
    /// Of these, changes of organisations and flakes: names and visibilities.
    pub directory: u64,
}
