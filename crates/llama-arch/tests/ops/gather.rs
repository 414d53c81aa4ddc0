//! Rows picked out of a buffer: exact copies, in the order asked for.

use llama_arch::backend::Backend;

use crate::cases::{Pattern, sizes};
use crate::harness::{Case, Report, input, output};
use crate::naive;

pub(crate) fn check<B: Backend>(backends: &[Vec<B>], report: &mut Report) {
    let mut rng = report.rng(2);
    let widths = rng.picks(&sizes(10), 120);
    let heights = rng.picks(&sizes(5), 120);
    for (width, height) in widths.into_iter().zip(heights) {
        let x = Pattern::Normal.rows(&mut rng, height, width);
        let picked: Vec<usize> = (0..1 + rng.below(9)).map(|_| rng.below(height)).collect();
        let case = Case {
            label: format!("rows {picked:?} of {height} x {width}"),
            width,
            expected: naive::gather(&x, &picked, width),
            bar: 0.0,
        };
        report.check(backends, &case, |backend, rows| {
            let picked = &picked[rows];
            let x = input(backend, &x, width);
            output(backend, (picked.len(), width), |out| {
                backend.gather(&x, picked, out).unwrap();
            })
        });
    }
}
