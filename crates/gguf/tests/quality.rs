//! How near encoded values are to what they were: at least as near as llama.cpp's encoder comes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

#[path = "support/distributions.rs"]
mod distributions;

use distributions::{COLUMNS, ROWS, relative_error, tensors};
use gguf::{TensorType, dequantize, quantize};
use proptest::prelude::*;

/// Relative errors of `llama-quantize --pure` without an importance matrix on the same values, in
/// the order of [`tensors`]. `examples/quantization_error.rs` writes them as a file.
const LLAMA_CPP: [(TensorType, [f64; 4]); 10] = [
    (TensorType::Q2K, [0.296218, 0.353872, 0.340942, 0.232696]),
    (TensorType::Q3K, [0.150869, 0.190833, 0.186490, 0.125063]),
    (TensorType::Q4K, [0.071359, 0.093037, 0.092352, 0.054586]),
    (TensorType::Q5K, [0.036125, 0.047042, 0.046456, 0.027576]),
    (TensorType::Q6K, [0.017741, 0.025511, 0.026197, 0.013340]),
    (TensorType::Q4_0, [0.085831, 0.128784, 0.133695, 0.064987]),
    (TensorType::Q4_1, [0.078179, 0.100497, 0.099218, 0.060686]),
    (TensorType::Q5_0, [0.042677, 0.066110, 0.069310, 0.031223]),
    (TensorType::Q5_1, [0.037835, 0.048516, 0.047912, 0.029357]),
    (TensorType::Q8_0, [0.005347, 0.008383, 0.008768, 0.003762]),
];

fn recoded(tensor_type: TensorType, values: &[f32]) -> Vec<f32> {
    let bytes = quantize(tensor_type, values).unwrap();
    let mut found = vec![0.0; values.len()];
    dequantize(tensor_type, &bytes, &mut found).unwrap();
    found
}

#[test]
fn no_type_loses_more_than_with_the_reference() {
    let tensors = tensors();
    for (tensor_type, expected) in LLAMA_CPP {
        for ((name, values), expected) in tensors.iter().zip(expected) {
            assert_eq!(values.len(), ROWS * COLUMNS);
            let found = relative_error(values, &recoded(tensor_type, values));
            assert!(
                found < expected * 1.005,
                "{tensor_type} {name}: {found}, not {expected}"
            );
        }
    }
}

const K_TYPES: [TensorType; 5] = [
    TensorType::Q2K,
    TensorType::Q3K,
    TensorType::Q4K,
    TensorType::Q5K,
    TensorType::Q6K,
];

#[test]
fn blocks_that_the_format_holds_exactly_stay_as_they_are() {
    type Value = fn(usize) -> f32;
    let blocks: [(&str, Value); 5] = [
        ("zeros", |_| 0.0),
        ("one positive value", |_| 0.25),
        ("one negative value", |_| -0.25),
        ("two values", |i| if i % 3 == 0 { -3.0 } else { 0.0 }),
        ("tiny", |_| 1e-30),
    ];
    for tensor_type in K_TYPES {
        for (name, value) in blocks {
            let values: Vec<f32> = (0..512).map(value).collect();
            let largest = values.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
            let found = recoded(tensor_type, &values);
            for (at, (value, found)) in values.iter().zip(&found).enumerate() {
                let off = (value - found).abs();
                // Scales are f16: that is as exact as it gets.
                assert!(
                    off <= largest * 1e-3 + 1e-29,
                    "{tensor_type} {name} {at}: {found}"
                );
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_what_is_large_is_not() {
    for tensor_type in K_TYPES {
        let mut values = [1.0_f32; 512];
        values[300] = 1e4;
        assert!(
            recoded(tensor_type, &values)
                .iter()
                .all(|value| value.is_finite())
        );
        for bad in [f32::NAN, f32::INFINITY, -1e30] {
            values[300] = bad;
            let error = quantize(tensor_type, &values);
            assert!(
                matches!(
                    error,
                    Err(gguf::Error::UnquantizableValue { index: 300, .. })
                ),
                "{tensor_type} {bad}: {error:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Of any block, no more is lost than what rounding to the coarsest steps would lose.
    #[test]
    fn no_value_is_far_off(
        seed in prop::collection::vec(-1.0_f32..1.0, 256),
        exponent in -10_i32..10,
        spike in 0_usize..256,
    ) {
        let mut values: Vec<f32> = seed.iter().map(|value| value * 2_f32.powi(exponent)).collect();
        values[spike] *= 20.0;
        let largest = values.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        // Half a step of the coarsest group, which spans both signs.
        let steps = [3.0, 7.0, 15.0, 31.0, 63.0];
        for (tensor_type, steps) in K_TYPES.into_iter().zip(steps) {
            let found = recoded(tensor_type, &values);
            let error: f32 = values.iter().zip(&found).map(|(a, b)| (a - b).powi(2)).sum();
            let rms = (error / 256.0).sqrt();
            prop_assert!(rms <= largest / steps, "{} loses {rms} of {largest}", tensor_type);
        }
    }
}
