//! What one prediction is worth, and what many are together.

use super::log_probs;

/// One prediction. What is compared is there if something was given to compare with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Score {
    /// Minus the log probability of the token that came.
    pub(crate) nll: f64,
    /// Against the base.
    pub(crate) compared: Option<Compared>,
    /// The log probabilities of all tokens, packed.
    pub(crate) packed: Option<Vec<u16>>,
}

/// One prediction of two models.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Compared {
    /// Minus the log probability that the base gave the token.
    pub(crate) base_nll: f64,
    /// Kullback-Leibler divergence of this model from the base, in nats.
    pub(crate) kl: f64,
    /// Whether both would choose the same token.
    pub(crate) same_top: bool,
}

/// Log probabilities of the base below this count as none.
const FLOOR: f32 = -16.0;

/// Scores a row of finite logits.
pub(crate) fn score(logits: &[f32], target: u32, base: Option<&[u16]>, pack: bool) -> Score {
    let log_sum = log_sum_exp(logits);
    let nll = |logit: f32| log_sum - f64::from(logit);
    Score {
        nll: nll(logits[target as usize]),
        compared: base.map(|base| {
            let (mut kl, mut base_top) = (0.0, (0, f32::NEG_INFINITY));
            for (id, q) in log_probs::unpack(base).take(logits.len()).enumerate() {
                if q > base_top.1 {
                    base_top = (id, q);
                }
                if q > FLOOR {
                    kl += f64::from(q.exp()) * (f64::from(q) + nll(logits[id]));
                }
            }
            let base_nll = log_probs::unpack(base).nth(target as usize);
            Compared {
                base_nll: -f64::from(base_nll.unwrap_or(f32::NEG_INFINITY)),
                kl,
                same_top: base_top.0 == top(logits),
            }
        }),
        packed: pack.then(|| log_probs::pack(logits, log_sum)),
    }
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits
        .iter()
        .map(|&logit| f64::from((logit - largest).exp()))
        .sum();
    f64::from(largest) + sum.ln()
}

/// The token that would be chosen: of equals the first.
fn top(logits: &[f32]) -> usize {
    let mut top = 0;
    for (id, &logit) in logits.iter().enumerate() {
        if logit > logits[top] {
            top = id;
        }
    }
    top
}

/// A mean and its standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Mean {
    /// The mean.
    pub(crate) value: f64,
    /// How far it may be off by chance.
    pub(crate) error: f64,
}

impl Mean {
    /// The mean of these values.
    pub(crate) fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let n = values.clone().count().max(1) as f64;
        let value = values.clone().sum::<f64>() / n;
        let squares: f64 = values.map(|x| (x - value) * (x - value)).sum();
        let error = (squares / n / (n - 1.0).max(1.0)).sqrt();
        Self { value, error }
    }

    /// Of a mean of logarithms, what it is the logarithm of.
    pub(crate) fn exp(self) -> Self {
        let value = self.value.exp();
        Self {
            value,
            error: value * self.error,
        }
    }
}

/// The value that a share of the values lie below.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len().max(1) - 1) as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    match (sorted.get(low), sorted.get(high)) {
        (Some(a), Some(b)) => a + (b - a) * at.fract(),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_by_its_definition() {
        let logits = [1.0, 3.0, -2.0, 0.5, 2.5];
        let z: f64 = logits.iter().map(|&x: &f32| f64::from(x).exp()).sum();
        let scored = score(&logits, 3, None, true);
        assert!((scored.nll - (z.ln() - 0.5)).abs() < 1e-6);

        // Against itself nothing is lost but what 16 bits cannot hold.
        let base = scored.packed.unwrap();
        let same = score(&logits, 3, Some(&base), false).compared.unwrap();
        assert!(same.kl.abs() < 1e-4 && same.same_top, "{same:?}");
        assert!((same.base_nll - scored.nll).abs() < 1e-3);

        let others = [2.0, 1.0, -2.0, 0.5, 2.5];
        let y: f64 = others.iter().map(|&x: &f32| f64::from(x).exp()).sum();
        let expected: f64 = (0..5)
            .map(|i| {
                let (p, q) = (f64::from(logits[i]) - z.ln(), f64::from(others[i]) - y.ln());
                p.exp() * (p - q)
            })
            .sum();
        let other = score(&others, 0, Some(&base), false).compared.unwrap();
        assert!(
            (other.kl - expected).abs() < 1e-3,
            "{} {expected}",
            other.kl
        );
        assert!(!other.same_top);
    }

    #[test]
    fn means_and_quantiles() {
        let values = [1.0, 2.0, 3.0, 6.0];
        let mean = Mean::of(values.into_iter());
        assert_eq!(mean.value, 3.0);
        // Squares of -2, -1, 0 and 3 over 4, over 3.
        assert!((mean.error - (14.0_f64 / 4.0 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(quantile(&values, 0.5), 2.5);
        assert_eq!(quantile(&values, 1.0), 6.0);
    }
}
