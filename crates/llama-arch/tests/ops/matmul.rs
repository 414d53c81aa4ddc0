//! Matrix products: plain, with a bias, onto a residual.

use gguf::TensorType;
use llama_arch::backend::Backend;

use crate::cases::{Pattern, Rng, sizes};
use crate::harness::{Case, Report, input, output, updated};
use crate::naive;
use crate::weights::{Weights, row_lens, types};

/// For f32 activations against f64 on the same decoded weights.
const BAR: f64 = 1e-9;

/// For activations that are rounded, to f16 or to integers of 13 bits.
const ROUNDED_BAR: f64 = 1e-5;

#[derive(Clone, Copy, Debug)]
enum Variant {
    Plain,
    Bias,
    Add,
}

const VARIANTS: [Variant; 3] = [Variant::Plain, Variant::Bias, Variant::Add];

pub(crate) fn check<B: Backend>(backends: &[Vec<B>], report: &mut Report) {
    let mut rng = report.rng(6);
    for tensor_type in types() {
        let n = 48;
        let inputs = rng.picks(&row_lens(tensor_type, 2048), n);
        let outputs = rng.picks(&sizes(7), n);
        let rows = rng.picks(&sizes(5), n);
        let patterns = rng.picks(&Pattern::ALL, n);
        for i in 0..n {
            let parts = &[(tensor_type, outputs[i])];
            let size = (inputs[i], rows[i]);
            check_one(
                backends,
                report,
                &mut rng,
                (parts, size, patterns[i], VARIANTS[i % 3]),
            );
        }
    }
    check_long(backends, report, &mut rng);
    check_stacked(backends, report, &mut rng);
}

/// Many outputs, many inputs, many rows: one at a time.
fn check_long<B: Backend>(backends: &[Vec<B>], report: &mut Report, rng: &mut Rng) {
    for tensor_type in types() {
        let block = tensor_type.block_len();
        let beyond = |n, list: Vec<usize>| list.into_iter().filter(|&len| len > n).collect();
        let deep: Vec<usize> = beyond(2304, row_lens(tensor_type, 1 << 14));
        let wide: Vec<usize> = beyond(129, sizes(12));
        let tall = [63, 64, 65, 127, 128, 129];
        for variant in VARIANTS {
            let small = 1 + rng.below(9);
            for (outputs, row_len, rows) in [
                (
                    rng.picks(&wide, 1)[0],
                    block * (1 + rng.below(3)),
                    1 + rng.below(3),
                ),
                (small, rng.picks(&deep, 1)[0], 1 + rng.below(17)),
                (4 * small + 1, block * small, rng.picks(&tall, 1)[0]),
            ] {
                let (parts, size) = (&[(tensor_type, outputs)], (row_len, rows));
                check_one(
                    backends,
                    report,
                    rng,
                    (parts, size, Pattern::Normal, variant),
                );
            }
        }
    }
}

/// Parts of different types, with borders inside and between the tiles of any kernel.
fn check_stacked<B: Backend>(backends: &[Vec<B>], report: &mut Report, rng: &mut Rng) {
    let types = types();
    for (i, &first) in types.iter().enumerate() {
        let other = |step| types[(i + step) % types.len()];
        let two = [(first, 33), (other(5), 7)];
        let three = [(other(1), 16), (first, 1), (other(7), 15)];
        let even = [(first, 64), (other(2), 32), (other(3), 32)];
        for parts in [&two[..], &three, &even] {
            for (variant, rows) in VARIANTS.into_iter().zip([1, 3, 8]) {
                check_one(
                    backends,
                    report,
                    rng,
                    (parts, (512, rows), Pattern::Normal, variant),
                );
            }
        }
    }
}

type Product<'a> = (&'a [(TensorType, usize)], (usize, usize), Pattern, Variant);

fn check_one<B: Backend>(
    backends: &[Vec<B>],
    report: &mut Report,
    rng: &mut Rng,
    (parts, (row_len, rows), pattern, variant): Product<'_>,
) {
    let weights = Weights::new(rng, parts, row_len);
    let n_outputs = weights.source.n_rows();
    // A product of one or two outputs has nothing to take a mean of: several of them have.
    let per_launch = rows;
    let rows = rows * report.min_judged().div_ceil(rows * n_outputs);
    let x = pattern.rows(rng, rows, row_len);
    let bias: Vec<f32> = rng.normals(n_outputs).iter().map(|b| b * 30.0).collect();
    let residual = rng.normals(rows * n_outputs);
    let mut expected = naive::matmul(&weights.values, &x, row_len);
    for (i, value) in expected.iter_mut().enumerate() {
        *value += match variant {
            Variant::Plain => 0.0,
            Variant::Bias => f64::from(bias[i % n_outputs]),
            Variant::Add => f64::from(residual[i]),
        };
    }
    let label = format!("{variant:?} {pattern:?}, {parts:?} x {row_len}, {per_launch} rows");
    let case = Case {
        label,
        width: n_outputs,
        expected,
        bar: report.bar(BAR, ROUNDED_BAR),
    };
    report.check(backends, &case, |backend, rows| {
        let matrix = backend.matrix(weights.source.clone()).unwrap();
        let bias = backend.vector(&bias).unwrap();
        let launch = |start: usize| {
            let rows = start..rows.end.min(start + per_launch);
            let x = &x[rows.start * row_len..rows.end * row_len];
            let x = input(backend, x, row_len);
            let size = (rows.len(), n_outputs);
            match variant {
                Variant::Plain => output(backend, size, |out| {
                    backend.matmul(&matrix, None, &x, out).unwrap();
                }),
                Variant::Bias => output(backend, size, |out| {
                    backend.matmul(&matrix, Some(&bias), &x, out).unwrap();
                }),
                Variant::Add => {
                    let residual = &residual[rows.start * n_outputs..rows.end * n_outputs];
                    updated(backend, residual, n_outputs, |out| {
                        backend.matmul_add(&matrix, &x, out).unwrap();
                    })
                }
            }
        };
        rows.clone().step_by(per_launch).flat_map(launch).collect()
    });
}
