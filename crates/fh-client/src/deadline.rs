//! When something has to be done by, whatever it waits for.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Result};

/// The time allowed for all of something; none where nothing is said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deadline(Option<(Instant, Duration)>);

impl Deadline {
    /// So much time from now on.
    #[must_use]
    pub fn after(allowed: Duration) -> Self {
        // What the clock cannot express is never reached.
        let at = Instant::now().checked_add(allowed);
        Self(at.map(|at| (at, allowed)))
    }

    /// Waits until the time is over, and says so.
    pub async fn passed(self) -> Error {
        match self.0 {
            Some((at, allowed)) => {
                tokio::time::sleep_until(at).await;
                Error::OutOfTime { allowed }
            }
            None => std::future::pending().await,
        }
    }

    /// Runs a future, as long as there is time.
    ///
    /// # Errors
    ///
    /// Those of the future; [`Error::OutOfTime`].
    pub async fn hold<T>(self, future: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            result = future => result,
            error = self.passed() => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_takes_longer_is_ended() {
        let deadline = Deadline::after(Duration::from_millis(20));
        assert_eq!(deadline.hold(async { Ok(1) }).await.unwrap(), 1);
        let forever = std::future::pending::<Result<()>>();
        let error = deadline.hold(forever).await.unwrap_err();
        assert_eq!(error.to_string(), "the time limit of 0.02 s was reached");
        for never in [Deadline::default(), Deadline::after(Duration::MAX)] {
            let wait = tokio::time::timeout(Duration::from_millis(20), never.passed());
            assert!(wait.await.is_err());
        }
    }
}
