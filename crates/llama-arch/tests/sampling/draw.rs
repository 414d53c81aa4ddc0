//! Which token is drawn: the largest, or one by the softmax, the seed and the position.

use llama_arch::{Sampler, SamplingParams};

use crate::{first, params, to_probabilities};

#[test]
fn greedy_is_the_largest_and_ties_go_to_the_lowest_id() {
    let greedy = SamplingParams::default();
    for (logits, expected) in [
        (&[0.0, 3.0, 3.0, 1.0][..], 1),
        (&[-5.0, -4.0, -4.5], 1),
        (&[2.0; 7], 0),
        (&[0.0, -0.0], 0),
        (&[-3e38, 3e38, 2e38], 1),
        (&[f32::MIN; 3], 0),
        (&[1.0], 0),
    ] {
        assert_eq!(first(&greedy, logits), expected, "{logits:?}");
    }
    let mut many = vec![0.5; 151_936];
    many[150_000] = 0.500_001;
    assert_eq!(first(&greedy, &many), 150_000);
}

/// Pearson's statistic of how often each token came, for a distribution.
fn chi_square(counts: &[u32], probabilities: &[f64]) -> f64 {
    let n = f64::from(counts.iter().sum::<u32>());
    let cell = |(&count, &p): (&u32, &f64)| (f64::from(count) - n * p).powi(2) / (n * p);
    counts.iter().zip(probabilities).map(cell).sum()
}

const LOGITS: [f32; 8] = [1.0, 2.5, -0.5, 2.0, 0.0, 2.25, 1.5, -1.0];

/// Quantile 0.9999 of chi-square with 7 degrees of freedom.
const CHI_7: f64 = 29.9;

fn softmax(logits: &[f32], temperature: f32) -> Vec<f64> {
    let scaled = logits
        .iter()
        .map(|&logit| f64::from(logit) / f64::from(temperature));
    let mut values: Vec<(u32, f64)> = (0..).zip(scaled).collect();
    to_probabilities(&mut values);
    values.into_iter().map(|(_, p)| p).collect()
}

fn counts(params: &SamplingParams, draws: impl Iterator<Item = (u64, usize)>) -> [u32; 8] {
    let mut counts = [0; 8];
    for (seed, position) in draws {
        let params = SamplingParams {
            seed,
            ..params.clone()
        };
        let mut sampler = Sampler::new(params, &[], LOGITS.len()).unwrap();
        counts[sampler.sample(&LOGITS, position).id as usize] += 1;
    }
    counts
}

#[test]
fn draws_follow_the_softmax_over_seeds_and_over_positions() {
    for temperature in [0.5, 1.0, 2.0] {
        let params = params(|p| p.temperature = temperature);
        let (expected, other) = (
            softmax(&LOGITS, temperature),
            softmax(&LOGITS, temperature * 1.2),
        );
        let by_seed = counts(&params, (0..20_000).map(|seed| (seed, 17)));
        let by_position = counts(&params, (0..20_000).map(|position| (17, position)));
        for counts in [by_seed, by_position] {
            let statistic = chi_square(&counts, &expected);
            assert!(
                statistic < CHI_7,
                "temperature {temperature}: {statistic}, {counts:?}"
            );
            // The test can tell a temperature that is a fifth off.
            assert!(chi_square(&counts, &other) > CHI_7);
        }
    }
}

#[test]
fn neighbouring_positions_and_seeds_are_independent() {
    let params = params(|p| p.temperature = 1.0);
    let flat = [0.0; 4];
    let draw = |seed, position| {
        let params = SamplingParams {
            seed,
            ..params.clone()
        };
        Sampler::new(params, &[], 4)
            .unwrap()
            .sample(&flat, position)
            .id
    };
    for (step_seed, step_position) in [(0, 1), (1, 0), (1, 1), (1 << 32, 0)] {
        let mut pairs = [0; 16];
        for i in 0..16_000 {
            let (seed, position) = (5 + 2 * i as u64 * step_seed, 3 + 2 * i * step_position);
            let seed = if step_seed == 0 { i as u64 } else { seed };
            let a = draw(seed, position);
            let b = draw(seed + step_seed, position + step_position);
            pairs[(4 * a + b) as usize] += 1;
        }
        // Quantile 0.9999 of chi-square with 15 degrees of freedom.
        let statistic = chi_square(&pairs, &[1.0 / 16.0; 16]);
        assert!(
            statistic < 44.3,
            "{step_seed}, {step_position}: {statistic} {pairs:?}"
        );
    }
}

#[test]
fn the_same_seed_and_position_give_the_same_token_and_others_do_not() {
    let flat = vec![0.0; 1000];
    let sampled = |seed, positions: &[usize]| -> Vec<u32> {
        let params = params(|p| (p.temperature, p.seed) = (1.0, seed));
        let mut sampler = Sampler::new(params, &[3, 4], 1000).unwrap();
        positions
            .iter()
            .map(|&position| sampler.sample(&flat, position).id)
            .collect()
    };
    let forwards: Vec<usize> = (0..200).collect();
    let backwards: Vec<usize> = forwards.iter().rev().copied().collect();
    let tokens = sampled(9, &forwards);
    let mut reversed = sampled(9, &backwards);
    reversed.reverse();
    assert_eq!(tokens, reversed, "a draw depends on the draws before it");
    let same = |other: &[u32]| tokens.iter().zip(other).filter(|(a, b)| a == b).count();
    assert!(same(&sampled(10, &forwards)) < 5);
    assert!(same(&tokens.iter().copied().skip(1).collect::<Vec<_>>()) < 5);
}

#[test]
fn a_tiny_temperature_is_greedy() {
    for temperature in [1e-3, 1e-20, 1e-38, f32::from_bits(1)] {
        for top_p in [1.0, 0.9] {
            let params = params(|p| (p.temperature, p.top_p, p.min_p) = (temperature, top_p, 0.1));
            assert_eq!(first(&params, &[10.0, 30.0, 20.0]), 1, "{temperature}");
            assert_eq!(first(&params, &[-30.0, -20.0, -10.0]), 2, "{temperature}");
        }
    }
}
