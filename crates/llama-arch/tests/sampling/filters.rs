//! Which tokens top-k, top-p and min-p keep.

use llama_arch::SamplingParams;

use crate::{drawn, params};

#[test]
fn filters_keep_exactly_their_sets() {
    // Probabilities 0.4, 0.3, 0.15, 0.1, 0.05 of ids 3, 0, 4, 1, 2.
    let logits = [0.3_f32, 0.1, 0.05, 0.4, 0.15].map(f32::ln);
    let hot = |change: fn(&mut SamplingParams)| {
        params(|p| {
            p.temperature = 1.0;
            change(p);
        })
    };
    for (params, expected) in [
        (hot(|_| {}), &[0, 1, 2, 3, 4][..]),
        (hot(|p| p.top_k = 1), &[3]),
        (hot(|p| p.top_k = 3), &[0, 3, 4]),
        (hot(|p| p.top_k = 50), &[0, 1, 2, 3, 4]),
        (hot(|p| p.top_p = 0.39), &[3]),
        (hot(|p| p.top_p = 0.41), &[0, 3]),
        (hot(|p| p.top_p = 0.84), &[0, 3, 4]),
        (hot(|p| p.top_p = 0.86), &[0, 1, 3, 4]),
        (hot(|p| p.top_p = f32::MIN_POSITIVE), &[3]),
        (hot(|p| p.min_p = 1.0), &[3]),
        (hot(|p| p.min_p = 0.3), &[0, 3, 4]),
        (hot(|p| p.min_p = 0.2), &[0, 1, 3, 4]),
        // Of {0.4, 0.3} alone, 0.4 is more than half.
        (hot(|p| (p.top_k, p.top_p) = (2, 0.55)), &[3]),
        (hot(|p| (p.top_p, p.min_p) = (0.84, 0.5)), &[0, 3]),
        // Half the temperature squares the odds: 0.4 is then 0.576 of all.
        (hot(|p| (p.top_p, p.temperature) = (0.55, 0.5)), &[3]),
        (hot(|p| (p.min_p, p.temperature) = (0.2, 0.5)), &[0, 3]),
        (
            hot(|p| (p.top_k, p.logit_bias) = (2, vec![(2, 9.0)])),
            &[2, 3],
        ),
    ] {
        assert_eq!(drawn(&params, &logits), expected, "{params:?}");
    }
}

#[test]
fn ties_at_the_border_of_a_filter_go_to_the_lowest_ids() {
    let hot = params(|p| (p.temperature, p.top_k) = (1.0, 3));
    assert_eq!(drawn(&hot, &[1.0, 2.0, 1.0, 1.0, 2.0]), [0, 1, 4]);
    let nucleus = params(|p| (p.temperature, p.top_p) = (1.0, 0.7));
    assert_eq!(drawn(&nucleus, &[1.0; 4]), [0, 1, 2]);
}
