//! A part that came before its predecessors, while it waits for its turn.
//!
//! For a moment it waits unread: mostly its predecessor is just being checked, and what is not read
//! costs nothing. After that it is read into a file of its own. On HTTP/2 the parts of a NAR may share
//! a connection, whose window they fill together: if those that are early stayed unread, the one that
//! they all wait for could not get through.

use std::time::Duration;

use fh_access::ApiError;
use fh_persistence::storage::{FileStorage, StagedFile};
use fh_shares::{Holders, Shares};

use super::blocking::blocking;
use super::body::BodyReader;

/// Early parts that are read at the same time. Apart from those whose turn it is: they must never
/// wait for these.
const READ: u64 = 64;

/// Where early parts wait.
pub(super) struct WaitingRoom {
    storage: FileStorage,
    places: Shares,
    /// How long they wait unread.
    unread: Duration,
}

impl WaitingRoom {
    /// With nobody in it; a part waits unread for that long.
    pub(super) fn new(storage: FileStorage, unread: Duration) -> Self {
        Self {
            storage,
            places: Shares::of_parts(READ, u64::MAX),
            unread,
        }
    }

    /// Waits for a turn: what it came to, and what was read of the body meanwhile.
    pub(super) async fn wait<T>(
        &self,
        turn: impl Future<Output = Result<T, ApiError>>,
        holders: Holders,
        body: &mut BodyReader,
    ) -> Result<(T, Option<StagedFile>), ApiError> {
        tokio::pin!(turn);
        let place = async {
            tokio::time::sleep(self.unread).await;
            self.places.take(holders, 1).await
        };
        let place = tokio::select! {
            biased;
            turn = &mut turn => return Ok((turn?, None)),
            place = place => place.map_err(|_| ApiError::internal("no room for an early part"))?,
        };
        let storage = self.storage.clone();
        let mut file = blocking(move || storage.stage()).await?;
        loop {
            let pieces = tokio::select! {
                biased;
                turn = &mut turn => return Ok((turn?, Some(file))),
                pieces = body.gather() => pieces?,
            };
            if pieces.is_empty() {
                break;
            }
            file = blocking(move || {
                pieces.iter().try_for_each(|piece| file.append(piece))?;
                Ok(file)
            })
            .await?;
        }
        drop(place);
        Ok((turn.await?, Some(file)))
    }
}
