//! The log of a derivation, as a view has it. Logs are asked for by people: none is kept in memory.

use fh_nix::StorePath;

use super::{Lookup, best_of};
use crate::access::View;
use crate::database::DatabaseError;
use crate::database::logs::{self, Log};

impl Lookup {
    /// The build log of a derivation as a view has it: of the slice with the lowest rank, then the
    /// oldest. `None` where no slice of the view has one.
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
            .read(move |connection| {
                let holders = logs::holders(connection, &derivation)?;
                match best_of(&view, &holders) {
                    Some(row_id) => logs::get(connection, row_id),
                    None => Ok(None),
                }
            })
            .await
    }
}
