//! Products with rounded activations on the CPU, beyond what [`crate::matmul`] asks of every
//! backend: bits across instruction sets, single outputs beside an outlier, what is not finite.

use gguf::TensorType;
use llama_arch::backend::Backend;
use llama_arch::backend::cpu::CpuBackend;

use crate::cases::{Pattern, Rng};
use crate::harness::{input, output, same_bits};
use crate::naive;
use crate::weights::Weights;

/// Types that are multiplied as integers.
const TYPES: [TensorType; 8] = [
    TensorType::Q8_0,
    TensorType::Q4_0,
    TensorType::Q4_1,
    TensorType::Q5_0,
    TensorType::Q5_1,
    TensorType::Q4K,
    TensorType::Q5K,
    TensorType::Q6K,
];

fn product(backend: &CpuBackend, weights: &Weights, x: &[f32], row_len: usize) -> Vec<f32> {
    let matrix = backend.matrix(weights.source.clone()).unwrap();
    let x_buffer = input(backend, x, row_len);
    output(
        backend,
        (x.len() / row_len, weights.source.n_rows()),
        |out| {
            backend.matmul(&matrix, None, &x_buffer, out).unwrap();
        },
    )
}

/// Backends of this machine that have integer kernels: all but the portable one.
fn backends() -> Vec<CpuBackend> {
    CpuBackend::every_isa(1).split_off(1)
}

#[test]
fn instruction_sets_agree_in_every_bit() {
    let mut rng = Rng::new(1);
    for tensor_type in TYPES {
        let block = tensor_type.block_len();
        for (n_blocks, n_outputs) in [(1, 1), (2, 7), (5, 16), (7, 65), (13, 130)] {
            let row_len = n_blocks * block;
            let weights = Weights::new(&mut rng, &[(tensor_type, n_outputs)], row_len);
            for rows in [1, 2, 3, 4, 5, 6, 7, 13, 40] {
                for pattern in [Pattern::Normal, Pattern::Outlier, Pattern::Subnormal] {
                    let x = pattern.rows(&mut rng, rows, row_len);
                    let found = backends().into_iter();
                    let found: Vec<_> = found.map(|b| product(&b, &weights, &x, row_len)).collect();
                    assert!(
                        found.windows(2).all(|pair| same_bits(&pair[0], &pair[1])),
                        "{tensor_type}, {row_len} x {n_outputs}, {rows} rows of {pattern:?}"
                    );
                }
            }
        }
    }
}

/// Small values beside a large one of the same 128 count where weights do not see the large one.
#[test]
fn outputs_that_are_blind_to_an_outlier_keep_their_digits() {
    let (row_len, outlier, rows) = (512, 77, 5);
    let mut rng = Rng::new(2);
    for tensor_type in [TensorType::Q8_0, TensorType::Q4_0, TensorType::Q5_0] {
        let values: Vec<f32> = (0..24 * row_len)
            .map(|i| {
                if i % row_len == outlier {
                    0.0
                } else {
                    rng.normal()
                }
            })
            .collect();
        let mut weights = Weights::new(&mut rng, &[(tensor_type, 24)], row_len);
        let bytes = gguf::quantize(tensor_type, &values).unwrap();
        gguf::dequantize(tensor_type, &bytes, &mut weights.values).unwrap();
        weights.source.parts[0].bytes = bytes.into();
        let mut x = rng.normals(rows * row_len);
        for row in x.chunks_exact_mut(row_len) {
            row[outlier] = 1e5;
        }
        let expected = naive::matmul(&weights.values, &x, row_len);
        for backend in backends() {
            let found = product(&backend, &weights, &x, row_len);
            let pairs = expected.iter().zip(&found);
            let error: f64 = pairs.map(|(e, &f)| (f64::from(f) - e).powi(2)).sum();
            let norm: f64 = expected.iter().map(|e| e * e).sum();
            assert!(error / norm < 1e-7, "{tensor_type}: {:e}", error / norm);
        }
    }
}

#[test]
fn what_is_not_finite_stays_so_and_keeps_to_its_row() {
    let row_len = 512;
    let mut rng = Rng::new(3);
    for tensor_type in TYPES {
        let weights = Weights::new(&mut rng, &[(tensor_type, 20)], row_len);
        for rows in [2, 4, 9] {
            let good = Pattern::Normal.rows(&mut rng, rows, row_len);
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut bad = good.clone();
                bad[row_len + rng.below(row_len)] = value;
                for backend in backends() {
                    let [good, bad] =
                        [&good, &bad].map(|x| product(&backend, &weights, x, row_len));
                    let of_row = |row: usize| row * 20..(row + 1) * 20;
                    assert!(bad[of_row(1)].iter().all(|value| !value.is_finite()));
                    for row in (0..rows).filter(|&row| row != 1) {
                        assert!(same_bits(&good[of_row(row)], &bad[of_row(row)]));
                    }
                }
            }
        }
    }
}
