//! When each token, and each trust policy, was used last: noted in memory by requests, written by a task of its own.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fh_persistence::database::{Database, DatabaseError, Decided, Timestamp, now};
use fh_sql::Tx;

/// Each one's use is written at most once in this time.
const INTERVAL: Duration = Duration::from_secs(60);

/// How uses are written, by internal id.
pub(super) type Touch = fn(&Tx<'_>, &[(i64, Timestamp)]) -> Result<(), DatabaseError>;

/// Uses by internal id.
#[derive(Debug, Default)]
pub(super) struct LastUsed {
    uses: Mutex<HashMap<i64, Use>>,
}

#[derive(Debug)]
struct Use {
    at: Timestamp,
    written: bool,
}

impl LastUsed {
    /// Notes that it is used now. Never waits for the database.
    pub(super) fn note(&self, id: i64) {
        let at = now();
        let mut uses = self.lock();
        let fresh = uses
            .get(&id)
            .is_some_and(|last| at < last.at.plus_seconds(INTERVAL.as_secs()));
        if !fresh {
            uses.insert(id, Use { at, written: false });
        }
    }

    /// Writes what was noted, and forgets what is old. What could not be written, also because this
    /// was cancelled, is written the next time.
    pub(super) async fn flush(
        &self,
        database: &Database,
        touch: Touch,
    ) -> Result<(), DatabaseError> {
        let pending = self.pending();
        if pending.is_empty() {
            return Ok(());
        }
        let written = pending.clone();
        database
            .write(Decided::by_server().with_room(), move |tx| {
                touch(tx, &pending)
            })
            .await?;
        let mut uses = self.lock();
        for (id, at) in written {
            if let Some(last) = uses.get_mut(&id).filter(|last| last.at == at) {
                last.written = true;
            }
        }
        Ok(())
    }

    fn pending(&self) -> Vec<(i64, Timestamp)> {
        let now = now();
        let mut uses = self.lock();
        uses.retain(|_, last| !last.written || now < last.at.plus_seconds(INTERVAL.as_secs()));
        uses.iter()
            .filter(|(_, last)| !last.written)
            .map(|(id, last)| (*id, last.at))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Use>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
