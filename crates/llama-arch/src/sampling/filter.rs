//! Which tokens stay in the draw: top-k, top-p, min-p.

use std::cmp::Ordering;

use super::SamplingParams;

/// A token whose scaled logit is this far below the best one can never win the draw: Gumbel noise
/// from 32 random bits lies in -3.2..=23.
const HOPELESS: f32 = 27.0;

/// Fills `ids` with the tokens that stay, given logits already divided by the temperature.
pub(super) fn candidates(logits: &[f32], params: &SamplingParams, ids: &mut Vec<u32>) {
    let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // min-p compares probabilities, so logits with the logarithm of the share; it keeps the same
    // tokens before top-k and top-p as after them, because it removes from the bottom.
    let floor = if params.min_p > 0.0 {
        best + params.min_p.ln()
    } else {
        f32::NEG_INFINITY
    };
    ids.clear();
    if params.top_p >= 1.0 {
        let floor = floor.max(best - HOPELESS);
        ids.extend(
            (0..)
                .zip(logits)
                .filter(|&(_, &logit)| logit >= floor)
                .map(|(id, _)| id),
        );
        keep_top(logits, params.top_k, ids);
        return;
    }
    all(logits.len(), ids);
    keep_top(logits, params.top_k, ids);
    keep_nucleus(logits, params.top_p, best, ids);
    ids.retain(|&id| logits[id as usize] >= floor);
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
fn keep_nucleus(logits: &[f32], top_p: f32, best: f32, ids: &mut Vec<u32>) {
    let weight = |id: u32| f64::from(logits[id as usize] - best).exp();
    // The total is summed in id order, so that it does not depend on the selection before.
    ids.sort_unstable();
    let target = ids.iter().map(|&id| weight(id)).sum::<f64>() * f64::from(top_p);
    // Sorting a whole vocabulary is dear and the nucleus is mostly small: sort a growing head.
    let mut head = 64;
    loop {
        head = head.min(ids.len());
        if head < ids.len() {
            ids.select_nth_unstable_by(head - 1, |&a, &b| descending(logits, a, b));
        }
        sort(logits, &mut ids[..head]);
        let mut sum = 0.0;
        let reached = ids[..head].iter().position(|&id| {
            sum += weight(id);
            sum >= target
        });
        match reached {
            Some(last) => return ids.truncate(last + 1),
            None if head == ids.len() => return,
            None => head *= 8,
        }
    }
}

fn descending(logits: &[f32], a: u32, b: u32) -> Ordering {
    logits[b as usize]
        .total_cmp(&logits[a as usize])
        .then(a.cmp(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(logits: &[f32], params: &SamplingParams) -> Vec<u32> {
        let mut ids = Vec::new();
        candidates(logits, params, &mut ids);
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
}
