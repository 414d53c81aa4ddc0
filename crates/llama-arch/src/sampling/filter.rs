//! Which tokens stay in the draw: top-k, top-p, min-p.

use std::cmp::Ordering;

use super::{SamplingParams, elementary};

/// A token whose scaled logit is this far below the best one can never win the draw: Gumbel noise
/// from 32 random bits lies in -3.2..=23.
pub(super) const HOPELESS: f32 = 27.0;

/// Logits and what scales them: relative to the largest, then divided by the temperature.
///
/// Relative, because a tiny temperature would send the best few to infinity alike. Filters
/// compare the logits themselves: the scaled ones may round to ties.
#[derive(Clone, Copy)]
pub(super) struct Scaled<'a> {
    pub(super) logits: &'a [f32],
    pub(super) largest: f32,
    pub(super) temperature: f32,
}

impl Scaled<'_> {
    /// At most 0, which is the best one's.
    pub(super) fn of(&self, logit: f32) -> f32 {
        (logit - self.largest) / self.temperature
    }

    pub(super) fn at(&self, id: u32) -> f32 {
        self.of(self.logits[id as usize])
    }

    /// Share of the best one's probability, in units of 2^-40.
    fn weight(&self, id: u32) -> u64 {
        elementary::weight(self.at(id))
    }
}

/// What a token's scaled logit must reach. min-p compares probabilities, so logits with the
/// logarithm of the share; it keeps the same tokens before top-k and top-p as after them, because
/// it removes from the bottom.
pub(super) fn floor(min_p: f32) -> f32 {
    if min_p > 0.0 {
        min_p.ln().max(-HOPELESS)
    } else {
        -HOPELESS
    }
}

/// Fills `ids` with the tokens that stay and can win.
pub(super) fn candidates(scaled: &Scaled<'_>, params: &SamplingParams, ids: &mut Vec<u32>) {
    let floor = floor(params.min_p);
    if params.top_p >= 1.0 {
        // Spares most tokens the division; lower than the floor by more than rounding.
        let lowest = floor * scaled.temperature * 1.000_01 - f32::MIN_POSITIVE;
        ids.clear();
        ids.extend(
            (0..)
                .zip(scaled.logits)
                .filter(|&(_, &logit)| {
                    logit - scaled.largest >= lowest && scaled.of(logit) >= floor
                })
                .map(|(id, _)| id),
        );
        keep_top(scaled.logits, params.top_k, ids);
        return;
    }
    all(scaled.logits.len(), ids);
    keep_top(scaled.logits, params.top_k, ids);
    keep_nucleus(scaled, params.top_p, ids);
    ids.retain(|&id| scaled.at(id) >= floor);
}

/// Every id of a vocabulary.
pub(super) fn all(vocab: usize, ids: &mut Vec<u32>) {
    ids.clear();
    ids.extend(0..vocab as u32);
}

/// Keeps the `k` largest, in no order; 0 keeps all.
pub(super) fn keep_top(logits: &[f32], k: usize, ids: &mut Vec<u32>) {
    if k > 0 && k < ids.len() {
        ids.select_nth_unstable_by(k - 1, |&a, &b| descending(logits, a, b));
        ids.truncate(k);
    }
}

/// Sorts by falling logit, then rising id.
pub(super) fn sort(logits: &[f32], ids: &mut [u32]) {
    ids.sort_unstable_by(|&a, &b| descending(logits, a, b));
}

/// Keeps the fewest largest whose probabilities, among `ids`, sum to `top_p` or more.
///
/// Sums are of integers, and the share of `top_p` is one of 2^-32: exact, in whatever order.
fn keep_nucleus(scaled: &Scaled<'_>, top_p: f32, ids: &mut Vec<u32>) {
    let logits = scaled.logits;
    let total: u64 = ids.iter().map(|&id| scaled.weight(id)).sum();
    let share = (top_p * 4_294_967_296.0) as u64;
    let target = ((u128::from(total) * u128::from(share)) >> 32) as u64;
    // Sorting a whole vocabulary is dear and the nucleus is mostly small: sort a growing head.
    let mut head = 64;
    loop {
        head = head.min(ids.len());
        if head < ids.len() {
            ids.select_nth_unstable_by(head - 1, |&a, &b| descending(logits, a, b));
        }
        sort(logits, &mut ids[..head]);
        let mut sum = 0;
        let reached = ids[..head].iter().position(|&id| {
            sum += scaled.weight(id);
            sum >= target
        });
        match reached {
            Some(last) => return ids.truncate(last + 1),
            None if head == ids.len() => return,
            None => head *= 8,
        }
    }
}

/// By falling logit, then rising id. Zeros of both signs are equal.
fn descending(logits: &[f32], a: u32, b: u32) -> Ordering {
    let [of_a, of_b] = [a, b].map(|id| logits[id as usize] + 0.0);
    of_b.total_cmp(&of_a).then(a.cmp(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(logits: &[f32], params: &SamplingParams) -> Vec<u32> {
        let mut ids = Vec::new();
        let largest = logits.iter().copied().fold(f32::MIN, f32::max);
        let scaled = Scaled {
            logits,
            largest,
            temperature: 1.0,
        };
        candidates(&scaled, params, &mut ids);
        ids.sort_unstable();
        ids
    }

    fn logs(probabilities: &[f32]) -> Vec<f32> {
        probabilities.iter().map(|p| p.ln()).collect()
    }

    #[test]
    fn top_k_keeps_the_largest_and_ties_go_to_low_ids() {
        let params = SamplingParams {
            top_k: 2,
            ..Default::default()
        };
        assert_eq!(kept(&[0.0, 3.0, 1.0, 2.0], &params), [1, 3]);
        assert_eq!(kept(&[1.0, 1.0, 1.0, 1.0], &params), [0, 1]);
        let more = SamplingParams {
            top_k: 9,
            ..Default::default()
        };
        assert_eq!(kept(&[0.0, 3.0], &more), [0, 1]);
    }

    #[test]
    fn top_p_includes_the_token_that_crosses() {
        let logits = logs(&[0.1, 0.5, 0.15, 0.25]);
        for (top_p, expected) in [
            (0.4, vec![1]),
            (0.6, vec![1, 3]),
            (0.76, vec![1, 2, 3]),
            (0.95, vec![0, 1, 2, 3]),
        ] {
            let params = SamplingParams {
                top_p,
                ..Default::default()
            };
            assert_eq!(kept(&logits, &params), expected, "top_p {top_p}");
        }
    }

    #[test]
    fn top_p_counts_among_what_top_k_left() {
        // Of {0.5, 0.25} alone, 0.5 is two thirds.
        let params = SamplingParams {
            top_k: 2,
            top_p: 0.66,
            ..Default::default()
        };
        assert_eq!(kept(&logs(&[0.1, 0.5, 0.15, 0.25]), &params), [1]);
    }

    #[test]
    fn top_p_of_a_flat_vocabulary_needs_a_long_head() {
        let params = SamplingParams {
            top_p: 0.5,
            ..Default::default()
        };
        assert_eq!(
            kept(&vec![0.0; 1000], &params),
            (0..500).collect::<Vec<_>>()
        );
    }

    #[test]
    fn min_p_compares_with_the_best() {
        let logits = logs(&[0.05, 0.6, 0.25, 0.1]);
        for (min_p, expected) in [(0.2, vec![1, 2]), (0.1, vec![1, 2, 3]), (1.0, vec![1])] {
            let params = SamplingParams {
                min_p,
                ..Default::default()
            };
            assert_eq!(kept(&logits, &params), expected, "min_p {min_p}");
            let both = SamplingParams {
                min_p,
                top_p: 0.999,
                ..Default::default()
            };
            assert_eq!(kept(&logits, &both), expected, "min_p {min_p} after top_p");
        }
    }

    #[test]
    fn the_floor_of_min_p_is_kept_and_what_is_just_below_is_not() {
        let floor = 0.5_f32.ln();
        let params = SamplingParams {
            min_p: 0.5,
            ..Default::default()
        };
        let below = [floor.next_down(), floor * 1.000_005, floor * 1.1];
        let logits = [below[0], 0.0, floor, below[1], below[2]];
        assert_eq!(kept(&logits, &params), [1, 2]);
    }

    #[test]
    fn zeros_of_both_signs_tie() {
        let params = SamplingParams {
            top_k: 1,
            ..Default::default()
        };
        assert_eq!(kept(&[-0.0, 0.0], &params), [0]);
        assert_eq!(kept(&[0.0, -0.0], &params), [0]);
    }
}
