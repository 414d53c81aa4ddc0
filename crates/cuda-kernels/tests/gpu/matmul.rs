//! Weights times activations: right, and the same bits in any batch.

use cuda_kernels::launch::{Epilogue, Matmul, Weight};
use cuda_kernels::{Buffer, Kernels, WeightType};

use super::blocks::{random_rows, value};
use super::support::{Guarded, Random, assert_same, kernels};

struct Case {
    weight_type: WeightType,
    row_len: usize,
    n_outputs: usize,
    weight: Buffer<u8>,
    x: Vec<f32>,
    /// Each sum, and the sum of the magnitudes of its terms.
    expected: Vec<(f64, f64)>,
}

impl Case {
    fn new(
        kernels: &Kernels,
        weight_type: WeightType,
        [n_rows, row_len, n_outputs]: [usize; 3],
    ) -> Self {
        let mut random = Random((row_len * 1000 + n_outputs) as u64);
        let bytes = random_rows(weight_type, n_outputs, row_len, &mut random);
        let x = random.with_outliers(n_rows * row_len);
        let row_bytes = weight_type.row_bytes(row_len).unwrap();
        let weights: Vec<f64> = (0..n_outputs * row_len)
            .map(|i| {
                let row = &bytes[i / row_len * row_bytes..][..row_bytes];
                f64::from(value(weight_type, row, i % row_len))
            })
            .collect();
        let expected = x.chunks_exact(row_len).flat_map(|x| {
            let dot = |w: &[f64]| {
                let terms = w.iter().zip(x).map(|(w, &x)| w * f64::from(x));
                terms.fold((0.0, 0.0), |(sum, size), term| {
                    (sum + term, size + term.abs())
                })
            };
            weights.chunks_exact(row_len).map(dot).collect::<Vec<_>>()
        });
        Self {
            weight_type,
            row_len,
            n_outputs,
            expected: expected.collect(),
            weight: kernels.device().upload(&bytes).unwrap(),
            x,
        }
    }

    /// Columns in all are three more than outputs; the first is the second column.
    fn run(&self, kernels: &Kernels, x: &[f32], start: f32, epilogue: Epilogue<'_>) -> Vec<f32> {
        let n_rows = x.len() / self.row_len;
        let out_width = self.n_outputs + 3;
        let x = kernels.device().upload(x).unwrap();
        let mut out = Guarded::with(kernels.device(), &vec![start; n_rows * out_width]);
        let launch = Matmul {
            weight: Weight {
                bytes: self.weight.view(),
                weight_type: self.weight_type,
                n_rows: self.n_outputs,
                row_len: self.row_len,
            },
            x: x.view(),
            out: out.buffer.view_mut(),
            n_rows,
            first_output: 1,
            out_width,
            epilogue,
        };
        launch.launch(kernels).unwrap();
        let mut values = Vec::new();
        for row in out.read().chunks_exact(out_width) {
            let (inside, outside) = (&row[1..=self.n_outputs], [row[0], row[out_width - 1]]);
            assert_eq!(outside, [start; 2], "other columns are left alone");
            values.extend_from_slice(inside);
        }
        values
    }
}

fn row_lens(weight_type: WeightType) -> &'static [usize] {
    match weight_type.block_len() {
        1 => &[1, 3, 8, 255, 257, 896],
        32 => &[32, 64, 896],
        _ => &[256, 1024],
    }
}

#[test]
fn every_format_and_shape() {
    let Some(kernels) = kernels() else { return };
    for weight_type in WeightType::ALL {
        for &row_len in row_lens(weight_type) {
            for n_outputs in [1, 4, 33] {
                for n_rows in [1, 2, 8, 9, 17] {
                    let shape = [n_rows, row_len, n_outputs];
                    let case = Case::new(&kernels, weight_type, shape);
                    let found = case.run(&kernels, &case.x, 0.5, Epilogue::Store);
                    for (found, &(sum, size)) in found.iter().zip(&case.expected) {
                        let error = (f64::from(*found) - sum).abs();
                        assert!(
                            error <= 2e-6 * size,
                            "{weight_type:?} {shape:?}: {found}, {sum}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_alone_has_the_bits_of_a_row_in_a_batch() {
    let Some(kernels) = kernels() else { return };
    for weight_type in WeightType::ALL {
        let row_len = *row_lens(weight_type).last().unwrap();
        let case = Case::new(&kernels, weight_type, [13, row_len, 65]);
        let together = case.run(&kernels, &case.x, 0.0, Epilogue::Store);
        for n_rows in [1, 5, 8] {
            let alone = case.x.chunks(n_rows * row_len);
            let alone = alone.flat_map(|x| case.run(&kernels, x, 0.0, Epilogue::Store));
            assert_same(
                &alone.collect::<Vec<_>>(),
                &together,
                &format!("{weight_type:?}"),
            );
        }
    }
}

#[test]
fn bias_and_accumulation_are_added_to_the_sum() {
    let Some(kernels) = kernels() else { return };
    let case = Case::new(&kernels, WeightType::Q5_0, [9, 896, 40]);
    let plain = case.run(&kernels, &case.x, 7.0, Epilogue::Store);
    let bias = Random(3).with_outliers(40);
    let on_device = kernels.device().upload(&bias).unwrap();
    let biased = case.run(&kernels, &case.x, 7.0, Epilogue::Bias(on_device.view()));
    let expected: Vec<f32> = plain
        .iter()
        .zip(bias.iter().cycle())
        .map(|(a, b)| a + b)
        .collect();
    assert_same(&biased, &expected, "bias");
    let added = case.run(&kernels, &case.x, 7.0, Epilogue::Accumulate);
    let expected: Vec<f32> = plain.iter().map(|a| a + 7.0).collect();
    assert_same(&added, &expected, "accumulate");
}
