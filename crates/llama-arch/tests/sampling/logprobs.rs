//! Log probabilities that come with a token.

use llama_arch::{Sampler, SamplingParams};

use crate::params;

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
