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

#[cfg(test)]
mod tests {
    use super::*;

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
