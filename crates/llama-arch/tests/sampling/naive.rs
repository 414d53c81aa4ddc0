//! An independent sampler: f64, whole sorts, no shortcuts. Every draw is compared with its own.

use std::cell::Cell;

use llama_arch::sampling::Philox;
use llama_arch::{Sampler, SamplingParams};
use proptest::prelude::*;

use crate::to_probabilities;

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
