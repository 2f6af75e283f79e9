//! What a caller may not see takes the same time as what does not exist.
//!
//! The answers are the same to the byte, but not the work: what nobody has asked for lately is read from the
//! database, and to find out that no slice of a view holds what thousands of others hold takes a search, all
//! of it some tenths of a millisecond. So a 404 is told at a fixed time after the question. That is no work
//! for anybody, and whoever asks for many things at once hardly waits longer for all of them. Only a narinfo
//! whose absence the same caller was told before, with nothing pushed anywhere since, is told at once: from a
//! memory of its own, which is asked before anything is looked up.
//!
//! The plan of a push takes the longer the more it lists. Where it lists what has to be looked for in other
//! slices, it is told at the next of steps that are far longer than what the search for one NAR can differ. So is
//! what else the API finds out of paths and does not answer with 404: who can read one, and whether a token may be
//! made for it.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use fh_access::ApiError;
use tokio::sync::oneshot;

/// Longer than it takes to find out, but where the machine has too much to do, which then hides it too.
const TOLD_AFTER: Duration = Duration::from_millis(1);

/// Of a plan, and of what else is found out of paths. The search for one NAR or path differs by microseconds.
const STEP: Duration = Duration::from_millis(5);

/// When an absence is told, should it be one.
#[derive(Debug)]
pub(crate) struct Absence {
    asked_at: Instant,
    /// It comes from the memory of what this caller was told.
    pub(crate) known: bool,
}

impl Absence {
    /// Of what is asked for now.
    pub(crate) fn new() -> Self {
        Self {
            asked_at: Instant::now(),
            known: false,
        }
    }

    /// Lets an answer pass, and a 404 not before its time.
    pub(crate) async fn evenly<T>(self, answer: Result<T, ApiError>) -> Result<T, ApiError> {
        if matches!(answer, Err(ApiError::NotFound)) && !self.known {
            self.told().await;
        }
        answer
    }

    /// Waits until it is time.
    pub(crate) async fn told(self) {
        wait_until(self.asked_at + TOLD_AFTER).await;
    }
}

/// Waits until the next step after work that began then.
pub(crate) async fn step(began_at: Instant) {
    let steps = began_at.elapsed().as_nanos() / STEP.as_nanos() + 1;
    let steps = u32::try_from(steps).unwrap_or(u32::MAX);
    wait_until(began_at + STEP.saturating_mul(steps)).await;
}

/// Does some work, and tells what came of it at the next step.
pub(crate) async fn stepped<T>(work: impl Future<Output = T>) -> T {
    let began_at = Instant::now();
    let done = work.await;
    step(began_at).await;
    done
}

/// Somebody who waits, and until when.
struct Waiting {
    until: Instant,
    wake: oneshot::Sender<()>,
}

/// A thread that wakes everybody at their time. The runtime's timer would not do: it sleeps for whole
/// milliseconds from when it is asked, which is when the work was done, and so tells how much there was.
static TIMER: LazyLock<Option<Sender<Waiting>>> = LazyLock::new(|| {
    let (sender, asking) = mpsc::channel::<Waiting>();
    let thread = thread::Builder::new().name("absences".to_owned());
    thread
        .spawn(move || attend(&asking))
        .is_ok()
        .then_some(sender)
});

/// Wakes everybody at their time, until nobody can ask any more.
fn attend(asking: &Receiver<Waiting>) {
    // With a number each, since several may wait for one time.
    let mut waiting: BTreeMap<(Instant, u64), oneshot::Sender<()>> = BTreeMap::new();
    for number in 0_u64.. {
        let asked = match waiting.first_key_value() {
            None => asking.recv().map_err(RecvTimeoutError::from),
            Some(((until, _), _)) => {
                asking.recv_timeout(until.saturating_duration_since(Instant::now()))
            }
        };
        match asked {
            Ok(Waiting { until, wake }) => {
                waiting.insert((until, number), wake);
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Some((_, wake)) = waiting.pop_first() {
                    // Whoever has left needs no waking.
                    let _ = wake.send(());
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

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
    use crate::push::tests::{Item, Scene};

    #[tokio::test]
    async fn only_what_is_not_found_waits() {
        let at_once = |answer: Result<(), ApiError>| Absence::new().evenly(answer).now_or_never();
        assert!(matches!(at_once(Ok(())), Some(Ok(()))));
        let refused = ApiError::Unauthorized(String::new());
        assert!(matches!(
            at_once(Err(refused)),
            Some(Err(ApiError::Unauthorized(_)))
        ));
        let begin = Instant::now();
        let told = Absence::new().evenly::<()>(Err(ApiError::NotFound)).await;
        assert!(matches!(told, Err(ApiError::NotFound)) && begin.elapsed() >= TOLD_AFTER);
        let mut absence = Absence::new();
        absence.known = true;
        let answer = absence.evenly::<()>(Err(ApiError::NotFound)).now_or_never();
        assert!(matches!(answer, Some(Err(ApiError::NotFound))));
    }

    #[tokio::test]
    async fn who_has_to_wait_for_longer_keeps_nobody_waiting() {
        let begin = Instant::now();
        let long = tokio::spawn(wait_until(begin + Duration::from_secs(5)));
        tokio::task::yield_now().await;
        step(begin).await;
        assert!((STEP..Duration::from_secs(4)).contains(&begin.elapsed()));
        long.abort();
    }

    #[tokio::test]
    async fn what_is_found_out_of_a_path_waits_for_a_step() {
        let scene = Scene::new().await;
        let item = Item::new("x", b"x");
        let path = format!("/api/v1/access?path={}", item.base);
        let begin = Instant::now();
        scene.server.get(&path, &scene.ann).await.expect(200);
        assert!(begin.elapsed() >= STEP);
        let body = serde_json::json!({ "closures": [item.base] });
        let begin = Instant::now();
        let answer = scene.server.post("/api/v1/tokens", &scene.ann, body).await;
        answer.expect(422);
        assert!(begin.elapsed() >= STEP);
    }

    #[tokio::test]
    async fn every_404_waits() {
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
            "/api/v1/orgs/nobody".to_owned(),
            "/api/v1/flakes/nobody/nothing".to_owned(),
        ] {
            for token in [&scene.ann, &scene.server.admin] {
                let begin = std::time::Instant::now();
                scene.server.get(&path, token).await.expect(404);
                assert!(begin.elapsed() >= TOLD_AFTER, "{path}");
            }
        }
    }
}
