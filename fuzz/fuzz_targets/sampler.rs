//! Sampling parameters and logits of a request.

#![no_main]

use arbitrary::{Result, Unstructured};
use llama_arch::{Sampler, SamplingParams};

const VOCAB: usize = 17;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Bytes that do not suffice for all choices are no input.
    let _ = run(&mut Unstructured::new(bytes));
});

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let params = params(u)?;
    let prompt: [u8; 3] = u.arbitrary()?;
    let prompt = prompt.map(|id| u32::from(id) % (VOCAB as u32 + 1));
    let rows = [logits(u)?, logits(u)?];
    let valid = params.check(VOCAB).is_ok();
    let in_range = prompt.iter().all(|&id| (id as usize) < VOCAB);
    let sampler = Sampler::new(params.clone(), &prompt, VOCAB);
    assert_eq!(sampler.is_ok(), valid && in_range, "{params:?} {prompt:?}");
    let Ok(mut sampler) = sampler else {
        return Ok(());
    };
    let mut again = sampler.clone();
    for (row, position) in rows.iter().zip(3..) {
        let found = sampler.sample(row, position);
        assert_eq!(found, again.sample(row, position));
        assert!(
            (found.id as usize) < VOCAB,
            "{found:?} of {row:?} with {params:?}"
        );
        if let Some(logprobs) = found.logprobs {
            assert!(logprobs.chosen <= 1e-5, "{logprobs:?}");
            assert_eq!(logprobs.top.len(), params.logprobs.unwrap_or(0).min(VOCAB));
            assert!(logprobs.top.is_sorted_by(|a, b| a.1 >= b.1), "{logprobs:?}");
        }
    }
    check_greedy(&params, &rows[0]);
    Ok(())
}

/// Without penalties and biases, no temperature and one candidate both are the first maximum.
fn check_greedy(params: &SamplingParams, row: &[f32]) {
    let mut expected = 0;
    for (id, logit) in row.iter().enumerate() {
        if *logit > row[expected] {
            expected = id;
        }
    }
    let cold = SamplingParams {
        temperature: 0.0,
        top_k: params.top_k,
        ..Default::default()
    };
    let single = SamplingParams {
        temperature: params.temperature,
        top_k: 1,
        ..Default::default()
    };
    for params in [cold, single] {
        let sampler = Sampler::new(params, &[], VOCAB);
        let found = sampler.map(|mut sampler| sampler.sample(row, 1).id as usize);
        assert_eq!(found.ok(), Some(expected), "{row:?}");
    }
}

fn params(u: &mut Unstructured<'_>) -> Result<SamplingParams> {
    let logit_bias = match u.int_in_range(0..=3_u8)? {
        0 => vec![(u.int_in_range(0..=VOCAB as u32)?, number(u, 100.0)?)],
        _ => Vec::new(),
    };
    Ok(SamplingParams {
        temperature: number(u, 2.0)?,
        top_k: if u.arbitrary()? {
            u.arbitrary()?
        } else {
            u.int_in_range(0..=20)?
        },
        top_p: number(u, 1.0)?,
        min_p: number(u, 1.0)?,
        repetition_penalty: number(u, 100.0)?,
        presence_penalty: number(u, 2.0)?,
        frequency_penalty: number(u, 2.0)?,
        logit_bias,
        seed: u.arbitrary()?,
        logprobs: u.arbitrary::<Option<u8>>()?.map(usize::from),
        stop_tokens: u.arbitrary::<Option<u32>>()?.into_iter().collect(),
    })
}

/// Mostly from 0 to `limit`, sometimes any bits.
fn number(u: &mut Unstructured<'_>, limit: f32) -> Result<f32> {
    Ok(match u.arbitrary::<u8>()? {
        255 => f32::from_bits(u.arbitrary()?),
        254 => f32::MIN_POSITIVE,
        253 => f32::from_bits(1),
        252 => -limit,
        step => limit * f32::from(step) / 251.0,
    })
}

/// Finite logits, which is what the forward pass promises.
fn logits(u: &mut Unstructured<'_>) -> Result<[f32; VOCAB]> {
    let mut logits = [0.0; VOCAB];
    let any_bits = u.ratio(1, 4)?;
    for logit in &mut logits {
        *logit = if any_bits {
            let bits = f32::from_bits(u.arbitrary()?);
            if bits.is_finite() { bits } else { f32::MAX }
        } else {
            f32::from(u.arbitrary::<i8>()?) / 4.0
        };
    }
    Ok(logits)
}
