//! Repetition, presence and frequency penalties, and the bias before them.

use llama_arch::{Sampler, SamplingParams};

use crate::{drawn, first, params};

/// Greedy tokens of a request, one for each list of logits.
fn greedy(params: SamplingParams, prompt: &[u32], steps: &[&[f32]]) -> Vec<u32> {
    let mut sampler = Sampler::new(params, prompt, steps[0].len()).unwrap();
    (prompt.len()..)
        .zip(steps)
        .map(|(at, logits)| sampler.sample(logits, at).id)
        .collect()
}

#[test]
fn repetition_divides_positive_and_multiplies_negative_logits_of_prompt_and_output() {
    let halved = || params(|p| p.repetition_penalty = 2.0);
    assert_eq!(greedy(halved(), &[0], &[&[3.0, 1.6, 0.0]]), [1]);
    assert_eq!(greedy(halved(), &[0], &[&[3.0, 1.4, 0.0]]), [0]);
    assert_eq!(
        greedy(halved(), &[0, 0, 0], &[&[3.0, 1.4, 0.0]]),
        [0],
        "once, however often"
    );
    assert_eq!(greedy(halved(), &[0], &[&[-1.0, -1.9, -9.0]]), [1]);
    assert_eq!(greedy(halved(), &[0], &[&[-1.0, -2.1, -9.0]]), [0]);
    let steps: [&[f32]; 3] = [&[3.0, 2.0, 1.6]; 3];
    assert_eq!(
        greedy(halved(), &[], &steps),
        [0, 1, 2],
        "output counts like the prompt"
    );
    let doubled = params(|p| p.repetition_penalty = 0.5);
    assert_eq!(
        greedy(doubled, &[1], &[&[3.0, 1.6, 0.0]]),
        [1],
        "below 1 it encourages"
    );
}

#[test]
fn presence_and_frequency_count_the_output_alone() {
    let logits: &[f32] = &[3.0, 2.5, 0.0];
    let presence = || params(|p| p.presence_penalty = 1.0);
    let frequency = || params(|p| p.frequency_penalty = 0.4);
    assert_eq!(
        greedy(presence(), &[0, 0], &[logits]),
        [0],
        "the prompt does not count"
    );
    assert_eq!(
        greedy(frequency(), &[0, 0], &[logits]),
        [0],
        "the prompt does not count"
    );
    // Presence: 3, 2.5 -> 2, 2.5 -> 2, 1.5 -> the same again.
    assert_eq!(greedy(presence(), &[], &[logits; 5]), [0, 1, 0, 0, 0]);
    // Frequency: 3, 2.5 -> 2.6, 2.5 -> 2.2, 2.5 -> 2.2, 2.1 -> 1.8, 2.1.
    assert_eq!(greedy(frequency(), &[], &[logits; 5]), [0, 0, 1, 0, 1]);
    let rewarded = params(|p| p.presence_penalty = -2.0);
    assert_eq!(greedy(rewarded, &[], &[logits, &[0.0, 1.5, 0.0]]), [0, 0]);
}

#[test]
fn bias_is_added_before_everything_else() {
    let biased = |bias| params(|p| p.logit_bias = bias);
    assert_eq!(first(&biased(vec![(2, 5.0)]), &[1.0, 2.0, -1.0]), 2);
    assert_eq!(first(&biased(vec![(1, -5.0)]), &[1.0, 2.0, -1.0]), 0);
    assert_eq!(
        first(&biased(vec![(0, 1.0), (0, 1.0)]), &[1.0, 2.5, -1.0]),
        0,
        "biases add up"
    );
    // Penalised after the bias: (1 + 2) / 2 = 1.5 and not 1 / 2 + 2 = 2.5.
    let both = params(|p| (p.logit_bias, p.repetition_penalty) = (vec![(0, 2.0)], 2.0));
    assert_eq!(greedy(both, &[0], &[&[1.0, 2.0]]), [1]);
    let banned = params(|p| (p.logit_bias, p.temperature) = (vec![(0, -100.0)], 2.0));
    assert_eq!(drawn(&banned, &[3.0, 0.0, 0.0]), [1, 2]);
}
