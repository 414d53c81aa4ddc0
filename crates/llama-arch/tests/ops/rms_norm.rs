//! RMSNorm of whole rows.

use llama_arch::backend::Backend;

use crate::cases::{Pattern, sizes};
use crate::harness::{Case, ELEMENTWISE_BAR, Report, input, output};
use crate::naive;

pub(crate) fn check<B: Backend>(backends: &[Vec<B>], report: &mut Report) {
    let mut rng = report.rng(3);
    for pattern in Pattern::ALL {
        let widths = rng.picks(&sizes(13), 40);
        let heights = rng.picks(&sizes(4), 40);
        for (width, height) in widths.into_iter().zip(heights) {
            let eps = [1e-5, 1e-6, 1e-12][rng.below(3)];
            let x = pattern.rows(&mut rng, height, width);
            let weight = rng.normals(width);
            let case = Case {
                label: format!("{pattern:?}, {height} x {width}, eps {eps}"),
                width,
                expected: naive::rms_norm(&x, &weight, eps),
                bar: ELEMENTWISE_BAR,
            };
            report.check(backends, &case, |backend, rows| {
                let weight = backend.vector(&weight).unwrap();
                let x = input(backend, &x[rows.start * width..rows.end * width], width);
                output(backend, (rows.len(), width), |out| {
                    backend.rms_norm(&x, &weight, eps, out).unwrap();
                })
            });
        }
    }
}
