//! From samples to the one number that stands in the table.

/// The median; not a number where there is no sample.
pub(super) fn median(samples: &[f64]) -> f64 {
    let mut values = samples.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => f64::NAN,
        (Some(upper), 0) => f64::midpoint(values[middle - 1], *upper),
        (Some(value), _) => *value,
    }
}

/// Each sample of ours by that of the peer from the same round.
pub(super) fn ratios(ours: &[f64], peer: &[f64]) -> Vec<f64> {
    ours.iter()
        .zip(peer)
        .map(|(ours, peer)| ours / peer)
        .collect()
}

/// How often, of all pairs, a sample of ours is larger than one of the peer's; equal ones count half.
pub(super) fn slower(ours: &[f64], peer: &[f64]) -> f64 {
    let mut peer = peer.to_vec();
    peer.sort_by(f64::total_cmp);
    let larger = ours.iter().map(|ours| {
        let smaller = peer.partition_point(|peer| peer < ours);
        let not_larger = peer.partition_point(|peer| peer <= ours);
        f64::midpoint(smaller as f64, not_larger as f64)
    });
    larger.sum::<f64>() / (ours.len() * peer.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slower_is_half_where_nothing_can_be_told() {
        let about = |found: f64, expected: f64| (found - expected).abs() < 1e-9;
        assert!(about(slower(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), 0.5));
        assert!(about(slower(&[2.0, 3.0], &[1.0]), 1.0));
        assert!(about(slower(&[1.0], &[2.0, 3.0, 1.0, 0.0]), 0.375));
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert!((median(&[9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[6.0, 4.0]) - 5.0).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn rounds_are_compared_one_by_one() {
        assert_eq!(ratios(&[9.0, 1.0, 5.0], &[4.0, 4.0]), [2.25, 0.25]);
    }
}
