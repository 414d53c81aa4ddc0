//! Packed weights times activations: right, the same bits in any batch, and as the operations
//! that it joins.

use cuda_kernels::launch::{Matvec, MatvecEpilogue, Norm, PackedWeight, RmsNorm, RowOrder, Swiglu};
use cuda_kernels::{Buffer, Kernels, WeightType};

use super::blocks::{random_rows, value};
use super::repack::{packed, packed_types};
use super::support::{Guarded, Random, assert_close, assert_same, kernels};

struct Case {
    weight_type: WeightType,
    n_outputs: usize,
    row_len: usize,
    order: RowOrder,
    units: Buffer<u8>,
    weights: Vec<f64>,
    x: Vec<f32>,
}

impl Case {
    fn new(
        kernels: &Kernels,
        weight_type: WeightType,
        order: RowOrder,
        [n_rows, row_len, n_outputs]: [usize; 3],
    ) -> Self {
        let mut random = Random((row_len * 1000 + n_outputs) as u64);
        let bytes = random_rows(weight_type, n_outputs, row_len, &mut random);
        let row_bytes = weight_type.row_bytes(row_len).unwrap();
        let weights = (0..n_outputs * row_len).map(|i| {
            let row = &bytes[i / row_len * row_bytes..][..row_bytes];
            f64::from(value(weight_type, row, i % row_len))
        });
        Self {
            weight_type,
            n_outputs,
            row_len,
            order,
            weights: weights.collect(),
            units: packed(kernels, weight_type, [n_outputs, row_len], order, &bytes),
            x: random.with_outliers(n_rows * row_len),
        }
    }

    fn weight(&self) -> PackedWeight<'_> {
        PackedWeight {
            units: self.units.view(),
            weight_type: self.weight_type,
            n_rows: self.n_outputs,
            row_len: self.row_len,
            order: self.order,
        }
    }

    /// `out` starts with 0.5 everywhere, and has three columns more than results.
    fn run(
        &self,
        kernels: &Kernels,
        x: &[f32],
        norm: Option<Norm<'_>>,
        epilogue: MatvecEpilogue<'_>,
    ) -> Vec<f32> {
        let n_rows = x.len() / self.row_len;
        let n_results = match epilogue {
            MatvecEpilogue::SwiGlu => self.n_outputs / 2,
            _ => self.n_outputs,
        };
        let out_width = n_results + 3;
        let x = kernels.device().upload(x).unwrap();
        let mut out = Guarded::with(kernels.device(), &vec![0.5; n_rows * out_width]);
        let launch = Matvec {
            stack: &[self.weight()],
            norm,
            x: x.view(),
            out: out.buffer.view_mut(),
            n_rows,
            out_width,
            epilogue,
            is_chained: false,
        };
        launch.launch(kernels).unwrap();
        let mut values = Vec::new();
        for row in out.read().chunks_exact(out_width) {
            assert_eq!(row[n_results..], [0.5; 3], "other columns are left alone");
            values.extend_from_slice(&row[..n_results]);
        }
        values
    }

    fn expected(&self, x: &[f32]) -> Vec<f64> {
        let rows = x.chunks_exact(self.row_len);
        let dot =
            |w: &[f64], x: &[f32]| -> f64 { w.iter().zip(x).map(|(w, &x)| w * f64::from(x)).sum() };
        rows.flat_map(|x| {
            let outputs = self.weights.chunks_exact(self.row_len);
            outputs.map(|w| dot(w, x)).collect::<Vec<_>>()
        })
        .collect()
    }
}

fn row_lens(weight_type: WeightType) -> &'static [usize] {
    match weight_type.block_len() {
        1 => &[4, 96, 132, 896, 2560],
        32 => &[32, 96, 896, 2560],
        _ => &[256, 768, 2560],
    }
}

#[test]
fn every_format_and_shape() {
    let Some(kernels) = kernels() else { return };
    for weight_type in packed_types() {
        for &row_len in row_lens(weight_type) {
            for (n_outputs, n_rows) in [(1, 1), (16, 2), (33, 8), (100, 13), (40, 16)] {
                let shape = [n_rows, row_len, n_outputs];
                let case = Case::new(&kernels, weight_type, RowOrder::Plain, shape);
                let found = case.run(&kernels, &case.x, None, MatvecEpilogue::Store);
                let expected = case.expected(&case.x);
                for (found, expected) in found
                    .chunks_exact(n_outputs)
                    .zip(expected.chunks_exact(n_outputs))
                {
                    let name = format!("{weight_type:?} {shape:?}");
                    // One output alone may be the small difference of large terms.
                    let limit = if n_outputs == 1 { 1e-3 } else { 1e-5 };
                    assert_close(found, expected, limit, &name);
                }
            }
        }
    }
}

#[test]
fn a_row_alone_has_the_bits_of_a_row_in_a_batch() {
    let Some(kernels) = kernels() else { return };
    for weight_type in packed_types() {
        for &row_len in row_lens(weight_type).iter().rev().take(2) {
            let shape = [16, row_len, 65];
            let case = Case::new(&kernels, weight_type, RowOrder::Plain, shape);
            let together = case.run(&kernels, &case.x, None, MatvecEpilogue::Store);
            for n_rows in [1, 3, 8, 11] {
                let alone = case.x.chunks(n_rows * row_len);
                let alone = alone.flat_map(|x| case.run(&kernels, x, None, MatvecEpilogue::Store));
                let name = format!("{weight_type:?} {row_len} {n_rows}");
                assert_same(&alone.collect::<Vec<_>>(), &together, &name);
            }
        }
    }
}

#[test]
fn norm_and_epilogues_have_the_bits_of_operations_of_their_own() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let (n_rows, row_len, n_outputs, eps) = (5, 896, 2 * 44, 1e-6);
    let mut random = Random(7);
    let norm_weight = device.upload(&random.floats(row_len)).unwrap();
    let bias = random.floats(n_outputs);
    let on_device = device.upload(&bias).unwrap();
    for weight_type in [WeightType::F16, WeightType::Q5_0, WeightType::Q4_1] {
        let shape = [n_rows, row_len, n_outputs];
        let case = Case::new(&kernels, weight_type, RowOrder::Paired, shape);
        let x = device.upload(&case.x).unwrap();
        let mut normed = device.zeroed(n_rows * row_len).unwrap();
        let launch = RmsNorm {
            x: x.view(),
            weight: norm_weight.view(),
            out: normed.view_mut(),
            eps,
            n_rows,
            width: row_len,
        };
        launch.launch(&kernels).unwrap();
        let normed = normed.read(n_rows * row_len).unwrap();
        let norm = Some(Norm {
            weight: norm_weight.view(),
            eps,
        });
        let plain = case.run(&kernels, &normed, None, MatvecEpilogue::Store);
        let joined = case.run(&kernels, &case.x, norm, MatvecEpilogue::Store);
        assert_same(&joined, &plain, "norm");
        assert_close(&plain, &case.expected(&normed), 1e-5, "paired rows");
        let biased = case.run(
            &kernels,
            &normed,
            None,
            MatvecEpilogue::Bias(on_device.view()),
        );
        let sums = plain.iter().zip(bias.iter().cycle());
        assert_same(
            &biased,
            &sums.map(|(a, b)| a + b).collect::<Vec<_>>(),
            "bias",
        );
        let added = case.run(&kernels, &normed, None, MatvecEpilogue::Accumulate);
        let sums: Vec<f32> = plain.iter().map(|a| 0.5 + a).collect();
        assert_same(&added, &sums, "accumulate");
        let gate_up = device.upload(&plain).unwrap();
        let ffn = n_outputs / 2;
        let mut activated = device.zeroed(n_rows * ffn).unwrap();
        let launch = Swiglu {
            gate_up: gate_up.view(),
            out: activated.view_mut(),
            n_rows,
            ffn,
        };
        launch.launch(&kernels).unwrap();
        let joined = case.run(&kernels, &case.x, norm, MatvecEpilogue::SwiGlu);
        assert_same(&joined, &activated.read(n_rows * ffn).unwrap(), "SwiGLU");
    }
}

#[test]
fn a_stack_of_formats_has_the_bits_of_each() {
    let Some(kernels) = kernels() else { return };
    let (n_rows, row_len) = (3, 768);
    let parts = [
        (WeightType::Q5_0, 100),
        (WeightType::Q8_0, 24),
        (WeightType::Q6K, 40),
    ];
    let cases = parts.map(|(weight_type, n_outputs)| {
        let shape = [n_rows, row_len, n_outputs];
        Case::new(&kernels, weight_type, RowOrder::Plain, shape)
    });
    let x = &cases[0].x;
    let on_device = kernels.device().upload(x).unwrap();
    let out_width = 164;
    let mut out = Guarded::new(kernels.device(), n_rows * out_width);
    let launch = Matvec {
        stack: &[cases[0].weight(), cases[1].weight(), cases[2].weight()],
        norm: None,
        x: on_device.view(),
        out: out.buffer.view_mut(),
        n_rows,
        out_width,
        epilogue: MatvecEpilogue::Store,
        is_chained: false,
    };
    launch.launch(&kernels).unwrap();
    let apart = cases
        .each_ref()
        .map(|case| case.run(&kernels, x, None, MatvecEpilogue::Store));
    let together = out.read();
    for (r, row) in together.chunks_exact(out_width).enumerate() {
        let parts = cases.iter().zip(&apart);
        let row_apart =
            parts.flat_map(|(case, found)| &found[r * case.n_outputs..][..case.n_outputs]);
        assert_same(row, &row_apart.copied().collect::<Vec<_>>(), "stack");
    }
}
