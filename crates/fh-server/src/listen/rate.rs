//! Whether bytes come fast enough, measured over windows of waiting.
//!
//! Only the time counts in which it is the other end that is waited for: what this server takes to decompress
//! or to write is nobody's fault but its own. Windows lie end to end, and each is judged by itself, so that
//! a quick beginning does not pay for a slow rest.

use std::time::Duration;

/// The rate of one body.
#[derive(Debug)]
pub(super) struct RateWindow {
    least: u64,
    window: Duration,
    waited: Duration,
    came: u64,
}

impl RateWindow {
    /// At least so many bytes for each second of a window.
    pub(super) fn new(least: u64, window: Duration) -> Self {
        Self {
            least,
            window,
            waited: Duration::ZERO,
            came: 0,
        }
    }

    /// Notes that bytes came after so much waiting: whether that is still fast enough.
    pub(super) fn note(&mut self, bytes: u64, waited: Duration) -> bool {
        self.came = self.came.saturating_add(bytes);
        self.waited = self.waited.saturating_add(waited);
        if self.waited < self.window {
            return true;
        }
        let enough =
            u128::from(self.came) * 1000 >= u128::from(self.least) * self.waited.as_millis();
        self.came = 0;
        self.waited = Duration::ZERO;
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many seconds somebody lasts who sends so many bytes in each.
    fn lasts(rate: &mut RateWindow, bytes: u64) -> Option<u32> {
        (1..1000).find(|_| !rate.note(bytes, SECOND))
    }

    #[test]
    fn who_drips_ends_with_the_window_and_who_is_just_fast_enough_does_not() {
        let mut rate = RateWindow::new(2048, SECOND * 60);
        assert_eq!(lasts(&mut rate, 2048), None);
        assert_eq!(
            lasts(&mut RateWindow::new(2048, SECOND * 60), 2047),
            Some(60)
        );
        assert_eq!(lasts(&mut RateWindow::new(0, SECOND * 60), 0), None);
    }

    #[test]
    fn a_quick_beginning_pays_for_its_own_window_alone() {
        let mut rate = RateWindow::new(2048, SECOND * 60);
        assert!(rate.note(30 << 20, SECOND));
        assert_eq!(lasts(&mut rate, 1200), Some(59 + 60));
    }

    #[test]
    fn what_is_not_waited_for_does_not_count() {
        let mut rate = RateWindow::new(2048, SECOND * 60);
        for _ in 0..1_000_000 {
            assert!(rate.note(1, Duration::ZERO));
        }
    }
}
