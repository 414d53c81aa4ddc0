//! The sampler by the book, and against an independent one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod draw;
mod filters;
mod logprobs;
mod naive;
mod penalties;
mod refusals;

use llama_arch::{Sampler, SamplingParams};

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
