//! The rows of these benchmarks.

use super::super::report::{Row, Target, Unit};

/// The peer's name in tables.
pub(super) const PEER: &str = "nginx";

/// The peer of paths in more slices.
pub(super) const FEW: &str = "in 10";

/// How much more than with 10 slices an answer may cost with any number.
pub(super) const FACTOR: f64 = 2.0;

/// Latencies with more and more slices against those with the fewest, which come first. The last number
/// of a key is that of the slices.
pub(super) fn compared<const KEYS: usize, const SIDES: usize>(
    keys: [&'static str; KEYS],
    what: impl Fn(&str) -> String,
    peer: &str,
    samples: &[Vec<f64>; SIDES],
) -> Vec<Row> {
    let [fewest, more @ ..] = samples.as_slice() else {
        return Vec::new();
    };
    keys.into_iter()
        .zip(more)
        .map(|(key, ours)| {
            let size = key.rsplit('_').next().unwrap_or_default();
            Row::new(key, what(size), Unit::Seconds, ours.clone())
                .against(peer, fewest.clone())
                .promised(Target::RatioAtMost(FACTOR))
        })
        .collect()
}
