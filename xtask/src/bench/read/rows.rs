//! The rows of these benchmarks.

use super::super::report::{self, Row, Target, Unit};

/// The peer's name in tables.
const PEER: &str = "nginx";

/// A row with nginx as the peer.
pub(super) fn row(
    key: &'static str,
    what: &str,
    unit: Unit,
    target: Option<Target>,
    (ours, peer): (Vec<f64>, Vec<f64>),
) -> Row {
    report::row(key, what, unit, target, (ours, PEER, peer))
}
