//! The sampler against an independent one: f64, whole sorts, no shortcuts.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::cell::Cell;

use llama_arch::sampling::Philox;
use llama_arch::{Error, Sampler, SamplingParams};
use proptest::prelude::*;

/// A request by the book: everything recomputed from the whole history for every token.
struct Naive {
    params: SamplingParams,
    prompt: Vec<u32>,
    output: Vec<u32>,
}

/// What rounding may decide otherwise: distances to a border below this are a tie.
const TIE: f64 = 1e-4;

impl Naive {
    fn new(params: &SamplingParams, prompt: &[u32]) -> Self {
        let params = params.clone();
        Self {
            params,
            prompt: prompt.to_vec(),
            output: Vec::new(),
        }
    }

    /// Logits after bias and penalties.
    fn penalised(&self, logits: &[f32]) -> Vec<f64> {
        let params = &self.params;
        let penalise = |(id, &logit): (u32, &f32)| {
            let biases = params.logit_bias.iter().filter(|bias| bias.0 == id);
            let mut logit = f64::from(logit) + biases.map(|bias| f64::from(bias.1)).sum::<f64>();
            let count = self.output.iter().filter(|&&token| token == id).count();
            if count > 0 || self.prompt.contains(&id) {
                let penalty = f64::from(params.repetition_penalty);
                logit = if logit > 0.0 {
                    logit / penalty
                } else {
                    logit * penalty
                };
            }
            if count > 0 {
                logit -= f64::from(params.presence_penalty);
                logit -= f64::from(params.frequency_penalty) * count as f64;
            }
            logit
        };
        (0..).zip(logits).map(penalise).collect()
    }

    /// Tokens that stay, most likely first, with their probabilities; and whether a border ran so
    /// close to a token that rounding decides.
    fn kept(&self, logits: &[f32]) -> (Vec<(u32, f64)>, bool) {
        let params = &self.params;
        let temperature = f64::from(params.temperature);
        let scaled = self
            .penalised(logits)
            .into_iter()
            .map(|logit| logit / temperature);
        let mut kept: Vec<(u32, f64)> = (0..).zip(scaled).collect();
        kept.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        if params.top_k > 0 {
            kept.truncate(params.top_k);
        }
        to_probabilities(&mut kept);
        let mut close = false;
        if params.top_p < 1.0 {
            let (mut sum, mut n) = (0.0, 0);
            while sum < f64::from(params.top_p) && n < kept.len() {
                sum += kept[n].1;
                close |= (sum - f64::from(params.top_p)).abs() < TIE / 100.0;
                n += 1;
            }
            kept.truncate(n);
        }
        let floor = kept[0].1 * f64::from(params.min_p);
        close |= kept
            .iter()
            .any(|&(_, p)| p != kept[0].1 && (p / floor - 1.0).abs() < TIE);
        kept.retain(|&(_, probability)| probability >= floor);
        let sum: f64 = kept.iter().map(|&(_, probability)| probability).sum();
        kept.iter_mut()
            .for_each(|(_, probability)| *probability /= sum);
        (kept, close)
    }

    /// The token that wins with the noise of a position; `None` where rounding decides.
    fn sample(&self, logits: &[f32], position: usize) -> Option<u32> {
        if self.params.temperature == 0.0 {
            let penalised = self.penalised(logits);
            let best = penalised.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let close = penalised
                .iter()
                .any(|&logit| logit != best && best - logit < TIE);
            return (!close).then(|| penalised.iter().position(|&l| l == best).unwrap() as u32);
        }
        let (kept, close) = self.kept(logits);
        let philox = Philox::new(self.params.seed);
        let noise = |id| f64::from(philox.gumbel(position as u64, id));
        let mut noisy: Vec<(f64, u32)> = kept
            .iter()
            .map(|&(id, p)| (p.ln() + noise(id), id))
            .collect();
        noisy.sort_by(|a, b| b.0.total_cmp(&a.0));
        let tie = noisy.len() > 1 && noisy[0].0 - noisy[1].0 < TIE;
        (!close && !tie).then(|| noisy[0].1)
    }
}

fn to_probabilities(logits: &mut [(u32, f64)]) {
    let max = logits
        .iter()
        .map(|&(_, logit)| logit)
        .fold(f64::NEG_INFINITY, f64::max);
    logits
        .iter_mut()
        .for_each(|(_, value)| *value = (*value - max).exp());
    let sum: f64 = logits.iter().map(|&(_, value)| value).sum();
    logits.iter_mut().for_each(|(_, value)| *value /= sum);
}

fn params(change: impl FnOnce(&mut SamplingParams)) -> SamplingParams {
    let mut params = SamplingParams::default();
    change(&mut params);
    params
}

/// The first token of a request without a prompt.
fn first(params: &SamplingParams, logits: &[f32]) -> u32 {
    let mut sampler = Sampler::new(params.clone(), &[], logits.len()).unwrap();
    sampler.sample(logits, 0).id
}

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

/// Ids drawn in many tries.
fn drawn(params: &SamplingParams, logits: &[f32]) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..4000)
        .map(|seed| {
            first(
                &SamplingParams {
                    seed,
                    ..params.clone()
                },
                logits,
            )
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

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

#[test]
fn logprobs_are_the_log_softmax_of_the_logits_as_given() {
    let logits: Vec<f32> = (0..500)
        .map(|i: i32| ((i * 37 % 101) as f32 - 50.0) / 4.0)
        .collect();
    let max = f64::from(logits.iter().copied().fold(f32::MIN, f32::max));
    let sum: f64 = logits
        .iter()
        .map(|&logit| (f64::from(logit) - max).exp())
        .sum();
    let logprob = |id: u32| (f64::from(logits[id as usize]) - max - sum.ln()) as f32;
    let params = params(|p| {
        p.temperature = 1.7;
        p.top_k = 40;
        p.min_p = 0.01;
        p.repetition_penalty = 1.3;
        p.logit_bias = vec![(7, 20.0)];
        p.logprobs = Some(6);
    });
    let mut sampler = Sampler::new(params.clone(), &[1, 2], 500).unwrap();
    let mut sorted: Vec<u32> = (0..500).collect();
    sorted.sort_by(|&a, &b| logprob(b).total_cmp(&logprob(a)).then(a.cmp(&b)));
    for position in 0..20 {
        let sampled = sampler.sample(&logits, position);
        let logprobs = sampled.logprobs.unwrap();
        assert_eq!(logprobs.chosen, logprob(sampled.id));
        let expected: Vec<(u32, f32)> = sorted[..6].iter().map(|&id| (id, logprob(id))).collect();
        assert_eq!(logprobs.top, expected);
    }
    let top = |n| {
        let params = SamplingParams {
            logprobs: n,
            ..params.clone()
        };
        let sampled = Sampler::new(params, &[], 500).unwrap().sample(&logits, 0);
        sampled.logprobs.map(|logprobs| logprobs.top)
    };
    let all = top(Some(9999)).unwrap();
    assert_eq!(all.len(), 500);
    let total: f64 = all.iter().map(|&(_, l)| f64::from(l).exp()).sum();
    assert!(
        (total - 1.0).abs() < 1e-5,
        "probabilities add up to {total}"
    );
    assert_eq!((top(Some(0)), top(None)), (Some(vec![]), None));
}

#[test]
fn logprobs_survive_huge_logits() {
    let params = params(|p| p.logprobs = Some(0));
    let mut sampler = Sampler::new(params, &[], 3).unwrap();
    let sampled = sampler.sample(&[3e4, -3e38, 3e4], 0);
    let logprobs = sampled.logprobs.unwrap();
    assert_eq!((sampled.id, logprobs.chosen), (0, 0.5_f32.ln()));
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

#[test]
fn values_outside_their_ranges_are_refused_by_name() {
    type Set = fn(&mut SamplingParams, f32);
    let ranges: [(&str, Set, f32, f32); 7] = [
        ("temperature", |p, v| p.temperature = v, 0.0, 2.0),
        ("top_p", |p, v| p.top_p = v, f32::MIN_POSITIVE, 1.0),
        ("min_p", |p, v| p.min_p = v, 0.0, 1.0),
        (
            "repetition_penalty",
            |p, v| p.repetition_penalty = v,
            0.01,
            100.0,
        ),
        ("presence_penalty", |p, v| p.presence_penalty = v, -2.0, 2.0),
        (
            "frequency_penalty",
            |p, v| p.frequency_penalty = v,
            -2.0,
            2.0,
        ),
        (
            "logit_bias",
            |p, v| p.logit_bias = vec![(0, 0.0), (1, v)],
            -100.0,
            100.0,
        ),
    ];
    for (name, set, low, high) in ranges {
        let with = |value| params(|p| set(p, value)).check(2);
        for value in [low, high] {
            assert!(with(value).is_ok(), "{name} {value}");
        }
        for value in [
            low.next_down(),
            high.next_up(),
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            -1e9,
            1e9,
        ] {
            let error = with(value).unwrap_err();
            assert!(
                matches!(&error, Error::InvalidSampling { name: n, .. } if *n == name),
                "{name} {value}: {error}"
            );
            assert!(error.to_string().contains(name));
        }
    }
    assert!(params(|p| p.top_p = 0.0).check(2).is_err());
}

#[test]
fn ids_outside_the_vocabulary_are_refused() {
    for id in [8, u32::MAX] {
        let stop = params(|p| p.stop_tokens = vec![0, id]);
        let bias = params(|p| p.logit_bias = vec![(7, 1.0), (id, 1.0)]);
        for error in [
            Sampler::new(stop, &[], 8).unwrap_err(),
            Sampler::new(bias, &[], 8).unwrap_err(),
            Sampler::new(SamplingParams::default(), &[7, id], 8).unwrap_err(),
        ] {
            let named =
                matches!(error, Error::TokenOutOfRange { id: found, vocab: 8 } if found == id);
            assert!(named, "{error}");
        }
    }
}

/// Parameters of every kind, each switched off half of the time.
fn any_params(vocab: u32) -> impl Strategy<Value = SamplingParams> {
    let or_off = |off: f32, on: std::ops::Range<f32>| prop_oneof![Just(off), on];
    let filters = (
        prop_oneof![Just(0_usize), 1..vocab as usize + 2],
        or_off(1.0, 0.05..1.0),
        or_off(0.0, 0.001..1.0),
    );
    let penalties = (
        or_off(1.0, 0.5..3.0),
        or_off(0.0, -2.0..2.0),
        or_off(0.0, -2.0..2.0),
    );
    let bias = prop::collection::vec((0..vocab, -9.0..9.0_f32), 0..3);
    (
        or_off(0.0, 0.1..2.0),
        filters,
        penalties,
        bias,
        any::<u64>(),
    )
        .prop_map(
            |(temperature, filters, penalties, logit_bias, seed)| SamplingParams {
                temperature,
                top_k: filters.0,
                top_p: filters.1,
                min_p: filters.2,
                repetition_penalty: penalties.0,
                presence_penalty: penalties.1,
                frequency_penalty: penalties.2,
                logit_bias,
                seed,
                ..Default::default()
            },
        )
}

/// Vocabulary sizes around that of the head of the nucleus, and small ones.
fn any_request() -> impl Strategy<Value = (SamplingParams, Vec<Vec<f32>>, Vec<u32>)> {
    let vocab = prop_oneof![1_u32..10, 60_u32..70, 200_u32..600];
    vocab.prop_flat_map(|vocab| {
        // Multiples of 1/8, so that there are exact ties.
        let logit = prop_oneof![
            (-80..80_i32).prop_map(|eighths| eighths as f32 / 8.0),
            -10.0..10.0_f32
        ];
        let step = prop::collection::vec(logit, vocab as usize);
        (
            any_params(vocab),
            prop::collection::vec(step, 1..6),
            prop::collection::vec(0..vocab, 0..6),
        )
    })
}

#[test]
fn every_draw_is_the_naive_one() {
    let config = ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..Default::default()
    };
    let algorithm = prop::test_runner::RngAlgorithm::ChaCha;
    let rng = prop::test_runner::TestRng::deterministic_rng(algorithm);
    let mut runner = prop::test_runner::TestRunner::new_with_rng(config, rng);
    let (draws, ties) = (Cell::new(0), Cell::new(0));
    let outcome = runner.run(&any_request(), |(params, steps, prompt)| {
        let mut naive = Naive::new(&params, &prompt);
        let mut sampler = Sampler::new(params, &prompt, steps[0].len()).unwrap();
        for (position, logits) in (prompt.len()..).zip(&steps) {
            let found = sampler.sample(logits, position).id;
            draws.set(draws.get() + 1);
            match naive.sample(logits, position) {
                Some(expected) => prop_assert_eq!(found, expected, "draw {}", naive.output.len()),
                None => ties.set(ties.get() + 1),
            }
            // Whoever was right about a tie, both go on from the same output.
            naive.output.push(found);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let (draws, ties) = (draws.get(), ties.get());
    assert!(
        ties * 100 < draws,
        "{ties} of {draws} draws were left to rounding"
    );
}
