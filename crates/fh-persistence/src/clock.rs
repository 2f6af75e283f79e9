//! The clock on the wall: the one place that it is read at, for tokens, rows and files alike.
//!
//! It may jump, in either direction: then tokens are refused with words that name clocks, and what an
//! unfinished push has sent may be forgotten or kept for longer. What was committed does not depend on
//! it. How long something takes is measured by the monotonic clock, never by this one.

use time::OffsetDateTime;

/// The present, in UTC.
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
