//! The device's sampler against the host's: the same tokens, whatever is asked for.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

#[path = "support/cuda.rs"]
mod support;

use llama_arch::backend::Backend;
use llama_arch::backend::cuda::{DeviceSampler, N_SLOTS};
use llama_arch::{Error, Sampled, Sampler, SamplingParams};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// From -1 to 1.
    fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[(self.next() % choices.len() as u64) as usize]
    }

    fn params(&mut self) -> SamplingParams {
        let mut params = SamplingParams {
            seed: self.next(),
            logprobs: self.pick(&[None, None, Some(0), Some(5), Some(20)]),
            ..Default::default()
        };
        if !self.next().is_multiple_of(4) {
            params.temperature = self.pick(&[0.8, 0.8, 1.0, 2.0, 0.3, 1e-3, 1e-38]);
            params.top_k = self.pick(&[0, 0, 0, 1, 2, 20, 40, 40, 256, 1 << 30]);
            params.top_p = self.pick(&[1.0, 1.0, 0.1, 0.5, 0.9, 0.95, 0.999, f32::MIN_POSITIVE]);
            params.min_p = self.pick(&[0.0, 0.0, 0.0, 0.05, 0.5, 1.0, 1e-10]);
        }
        if self.next().is_multiple_of(2) {
            params.repetition_penalty = self.pick(&[1.0, 1.1, 1.5, 0.7, 0.01]);
            params.presence_penalty = self.pick(&[0.0, 0.5, -2.0]);
            params.frequency_penalty = self.pick(&[0.0, 0.3, -0.7]);
        }
        params
    }

    /// Logits of many kinds: peaked, flat, with ties, all equal, huge, rising, far from 0.
    fn logits(&mut self, vocab: usize) -> Vec<f32> {
        let kind = self.next() % 9;
        let value = |i: usize| match (kind, self.float()) {
            (0..=2, x) => x * x * x * 20.0,
            (3, x) => x * 0.1,
            (4, x) => (x * 80.0).round() / 8.0,
            (5, _) => 1.5,
            (6, x) => x * 3e38,
            (7, _) => i as f32 * 1e-3 - 50.0,
            (_, x) => 100.0 + x * 1e-3,
        };
        (0..vocab).map(value).collect()
    }
}

fn assert_same(found: &Sampled, expected: &Sampled, case: &str) {
    assert_eq!(found.id, expected.id, "{case}");
    let (found, expected) = match (&found.logprobs, &expected.logprobs) {
        (None, None) => return,
        (Some(found), Some(expected)) => (found, expected),
        other => panic!("{case}: {other:?}"),
    };
    // The device's are f32 where the host's are f64.
    let close = |found: f32, expected: f32| {
        let limit = 2e-6 + 4e-7 * expected.abs();
        found == expected || (found - expected).abs() <= limit
    };
    assert!(close(found.chosen, expected.chosen), "{case}");
    assert_eq!(found.top.len(), expected.top.len(), "{case}");
    for (found, expected) in found.top.iter().zip(&expected.top) {
        assert!(
            found.0 == expected.0 && close(found.1, expected.1),
            "{case}"
        );
    }
}

#[test]
fn the_device_chooses_what_the_host_chooses() {
    let Some(backend) = support::cuda() else {
        return;
    };
    let mut random = Random(51);
    for (vocab, n_rows, rounds) in [
        (1, 3, 10),
        (7, 30, 20),
        (1000, 40, 20),
        (32_064, 20, 6),
        (151_936, 16, 5),
    ] {
        let mut device = DeviceSampler::new(&backend, n_rows, vocab).unwrap();
        for _ in 0..rounds {
            // Not always all rows.
            let n_rows = 1 + random.next() as usize % n_rows;
            let first = 1 + random.next() as usize % 100_000;
            let mut hosts: Vec<Sampler> = (0..n_rows)
                .map(|_| {
                    let prompt: Vec<u32> = (0..random.next() % 9)
                        .map(|_| (random.next() % vocab as u64) as u32)
                        .collect();
                    Sampler::new(random.params(), &prompt, vocab).unwrap()
                })
                .collect();
            let mut followers = hosts.clone();
            for position in first..first + 3 {
                let rows: Vec<Vec<f32>> = (0..n_rows).map(|_| random.logits(vocab)).collect();
                let logits = backend.vector(&rows.concat()).unwrap();
                let mut samplers: Vec<_> = followers
                    .iter_mut()
                    .map(|sampler| (sampler, position))
                    .collect();
                let found = device.sample(logits.view(), &mut samplers).unwrap();
                for ((host, row), found) in hosts.iter_mut().zip(&rows).zip(found.unwrap()) {
                    let case = format!("{vocab}, {position}: {:?}", host.params());
                    assert_same(&found.unwrap(), &host.sample(row, position), &case);
                }
            }
        }
    }
}

#[test]
fn steps_follow_each_other_without_the_host() {
    let Some(backend) = support::cuda() else {
        return;
    };
    let (vocab, first) = (5000, 7);
    let mut random = Random(52);
    let params = SamplingParams {
        temperature: 1.0,
        frequency_penalty: 1.0,
        repetition_penalty: 1.3,
        seed: 9,
        ..Default::default()
    };
    let mut host = Sampler::new(params, &[1, 2, 3], vocab).unwrap();
    let mut follower = host.clone();
    let logits = random.logits(vocab);
    let on_device = backend.vector(&logits).unwrap();
    let mut device = DeviceSampler::new(&backend, 2, vocab).unwrap();
    let mut samplers = [(&mut follower, first)];
    device.prepare(&samplers).unwrap();
    let mut found = Vec::new();
    for step in 0..3 * N_SLOTS {
        device.launch(on_device.view(), 1).unwrap();
        device.enqueue(1).unwrap();
        // As far ahead as there are slots.
        if step + 1 >= N_SLOTS {
            found.extend(device.collect(&mut samplers).unwrap());
        }
    }
    for (position, found) in (first..).zip(found) {
        assert_eq!(found.unwrap(), host.sample(&logits, position));
    }
}

#[test]
fn what_is_not_finite_fails_its_row_alone() {
    let Some(backend) = support::cuda() else {
        return;
    };
    let vocab = 300;
    let mut logits = vec![0.5; 2 * vocab];
    logits[7] = f32::NAN;
    let logits = backend.vector(&logits).unwrap();
    let mut device = DeviceSampler::new(&backend, 2, vocab).unwrap();
    let greedy = Sampler::new(SamplingParams::default(), &[], vocab).unwrap();
    let [mut ill, mut well] = [greedy.clone(), greedy];
    let mut samplers = [(&mut ill, 5), (&mut well, 9)];
    let found = device
        .sample(logits.view(), &mut samplers)
        .unwrap()
        .unwrap();
    let error = found[0].as_ref().unwrap_err();
    assert!(
        matches!(
            error,
            Error::NonFinite {
                position: 4,
                count: 1
            }
        ),
        "{error}"
    );
    assert_eq!(found[1].as_ref().unwrap().id, 0);
}

#[test]
fn what_the_device_cannot_do_is_left_to_the_host() {
    let refusal = |change: fn(&mut SamplingParams), vocab| {
        let mut params = SamplingParams {
            temperature: 1.0,
            ..Default::default()
        };
        change(&mut params);
        DeviceSampler::refusal(&params, vocab)
    };
    assert_eq!(refusal(|_| {}, 151_936), None);
    assert_eq!(refusal(|p| p.top_k = 256, 1000), None);
    assert_eq!(refusal(|p| p.top_k = 1000, 1000), None);
    assert_eq!(refusal(|p| p.top_k = 257, 1000), Some("a large top-k"));
    assert_eq!(
        refusal(|p| (p.top_k, p.temperature) = (257, 0.0), 1000),
        None
    );
    assert_eq!(refusal(|p| p.logprobs = Some(20), 1000), None);
    assert_eq!(
        refusal(|p| p.logprobs = Some(21), 1000),
        Some("many log probabilities")
    );
    assert_eq!(
        refusal(|p| p.logit_bias = vec![(1, 1.0)], 1000),
        Some("logit bias")
    );
    assert_eq!(refusal(|_| {}, 1 << 20), Some("a huge vocabulary"));
}
