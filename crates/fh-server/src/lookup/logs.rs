//! The log of a derivation, as a view has it. Logs are asked for by people: none is kept in memory.
//!
//! Logs do not clash, since each build's differs; but they come in the same order of trust as contents do.

use std::cmp::Reverse;

use fh_access::View;
use fh_nix::StorePath;
use fh_persistence::database::DatabaseError;
use fh_persistence::database::logs::{self, Log};

use super::Lookup;

impl Lookup {
    /// The build log of a derivation as a view has it: of the slice of the nearest standing, follows in their
    /// order; then a builder's before a person's; then the oldest. `None` where no slice of the view has one.
    pub(crate) async fn log(
        &self,
        view: &View,
        derivation: StorePath,
    ) -> Result<Option<Log>, DatabaseError> {
        // A derivation is no part of the closure of what it built.
        if view.limits().is_some() {
            return Ok(None);
        }
        let view = view.clone();
        self.shared
            .database
            .read(move |read| {
                let holders = logs::holders(read, &derivation)?;
                let trusted = holders.into_iter().filter_map(|holder| {
                    let (_, standing) = view.standing_of(holder.flake_id)?;
                    Some((standing, Reverse(holder.builder), holder.row_id))
                });
                match trusted.min() {
                    Some((_, _, row_id)) => logs::get(read, row_id),
                    None => Ok(None),
                }
            })
            .await
    }
}
