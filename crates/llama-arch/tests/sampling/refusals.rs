//! Parameters that are refused.

use llama_arch::{Error, Sampler, SamplingParams};

use crate::params;

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
