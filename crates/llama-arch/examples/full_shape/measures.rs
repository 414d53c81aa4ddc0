//! How far two rows of logits are apart.

/// Mean squared error over mean square.
pub(crate) fn nmse(expected: &[f32], found: &[f32]) -> f64 {
    let square = |value: f64| value * value;
    let pairs = expected.iter().zip(found);
    let error: f64 = pairs
        .map(|(&a, &b)| square(f64::from(a) - f64::from(b)))
        .sum();
    error / expected.iter().map(|&a| square(f64::from(a))).sum::<f64>()
}

/// Kullback-Leibler divergence of the distributions that two rows of logits stand for, in nats.
pub(crate) fn divergence(expected: &[f32], found: &[f32]) -> f64 {
    let log_sum = |row: &[f32]| {
        let max = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        max + row
            .iter()
            .map(|&x| (f64::from(x) - max).exp())
            .sum::<f64>()
            .ln()
    };
    let (of_expected, of_found) = (log_sum(expected), log_sum(found));
    let pairs = expected.iter().zip(found);
    pairs
        .map(|(&a, &b)| {
            let (a, b) = (f64::from(a) - of_expected, f64::from(b) - of_found);
            a.exp() * (a - b)
        })
        .sum()
}

/// The first of the largest.
pub(crate) fn best(row: &[f32]) -> Option<usize> {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter().position(|&value| value == max)
}
