//! A 404 takes the same time whether something is nowhere or where the caller may not see it.
//!
//! The answers are the same to the byte, but not the work: what nobody has asked for lately is read from the
//! database, and to find out that no slice of a view holds what thousands of others hold takes a search, all
//! of it some tenths of a millisecond. So a 404 is told at a fixed time after the question. That is no work
//! for anybody, and whoever asks for many things at once hardly waits longer for all of them. Only a narinfo
//! whose absence the same caller was told before, with nothing pushed anywhere since, is told at once: from a
//! memory of its own, which is asked before anything is looked up.

use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::ApiError;

/// Longer than it takes to find out, but where the machine has too much to do, which then hides it too.
const TOLD_AFTER: Duration = Duration::from_millis(1);

/// When an absence is told, should it be one.
#[derive(Debug)]
pub(super) struct Absence {
    asked_at: Instant,
    /// It comes from the memory of what this caller was told.
    pub(super) known: bool,
}

impl Absence {
    /// Of what is asked for now.
    pub(super) fn new() -> Self {
        Self {
            asked_at: Instant::now(),
            known: false,
        }
    }

    /// Lets an answer pass, and a 404 not before its time.
    pub(super) async fn evenly<T>(self, answer: Result<T, ApiError>) -> Result<T, ApiError> {
        if matches!(answer, Err(ApiError::NotFound)) && !self.known {
            wait_until(self.asked_at + TOLD_AFTER).await;
        }
        answer
    }
}

/// Somebody who waits.
struct Waiting {
    until: Instant,
    wake: oneshot::Sender<()>,
}

/// A thread that wakes everybody at their time. The runtime's timer would not do: it sleeps for whole
/// milliseconds from when it is asked, which is when the work was done, and so tells how much there was.
static TIMER: LazyLock<Option<Sender<Waiting>>> = LazyLock::new(|| {
    let (sender, everybody) = mpsc::channel::<Waiting>();
    let attend = move || {
        // All wait equally long, so that who came first is the next.
        for Waiting { until, wake } in everybody {
            thread::sleep(until.saturating_duration_since(Instant::now()));
            // Whoever has left needs no waking.
            let _ = wake.send(());
        }
    };
    let thread = thread::Builder::new().name("absences".to_owned());
    thread.spawn(attend).is_ok().then_some(sender)
});

async fn wait_until(until: Instant) {
    let (wake, woken) = oneshot::channel();
    let asked = TIMER
        .as_ref()
        .is_some_and(|timer| timer.send(Waiting { until, wake }).is_ok());
    if !asked || woken.await.is_err() {
        tokio::time::sleep_until(until.into()).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::push::tests::Scene;

    #[tokio::test]
    async fn only_what_is_not_found_waits() {
        let at_once = |answer: Result<(), ApiError>| Absence::new().evenly(answer).now_or_never();
        assert!(matches!(at_once(Ok(())), Some(Ok(()))));
        let refused = ApiError::Unauthorized(String::new());
        assert!(matches!(
            at_once(Err(refused)),
            Some(Err(ApiError::Unauthorized(_)))
        ));
        assert!(at_once(Err(ApiError::NotFound)).is_none());
        let mut absence = Absence::new();
        absence.known = true;
        let answer = absence.evenly::<()>(Err(ApiError::NotFound)).now_or_never();
        assert!(matches!(answer, Some(Err(ApiError::NotFound))));
    }

    #[tokio::test]
    async fn every_404_of_the_cache_waits() {
        let scene = Scene::new().await;
        let hash = "0".repeat(32);
        let nar = "0".repeat(52);
        for path in [
            format!("/{hash}.narinfo"),
            format!("/{hash}.ls"),
            format!("/nar/{nar}.nar.zst"),
            format!("/log/{hash}-x.drv"),
            format!("/cache/nobody/{hash}.narinfo"),
            format!("/cache/nobody/nothing/{hash}.narinfo"),
        ] {
            for token in [&scene.ann, &scene.server.admin] {
                let begin = std::time::Instant::now();
                scene.server.get(&path, token).await.expect(404);
                assert!(begin.elapsed() >= TOLD_AFTER, "{path}");
            }
        }
    }
}
