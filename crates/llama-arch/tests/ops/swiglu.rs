//! The activation of the feed-forward network.

use llama_arch::backend::Backend;

use crate::cases::{Pattern, sizes};
use crate::harness::{Case, ELEMENTWISE_BAR, Report, input, output};
use crate::naive;

pub(crate) fn check<B: Backend>(backends: &[Vec<B>], report: &mut Report) {
    let mut rng = report.rng(5);
    for pattern in Pattern::ALL {
        let widths = rng.picks(&sizes(12), 40);
        let heights = rng.picks(&sizes(4), 40);
        for (ffn, height) in widths.into_iter().zip(heights) {
            let gate_up = pattern.rows(&mut rng, height, 2 * ffn);
            let label = format!("{pattern:?}, {height} x {ffn}");
            check_rows(backends, report, (&label, &gate_up, ffn));
        }
    }
    // Each gate in a row of its own: where e^-x overflows, underflows, and is lost beside 1. From
    // -88.7 to -104 e^-x overflows in f32 alone: the result is 0, and right to 3e-37.
    for gate in [-1e4_f32, -88.0, -17.5, -1e-8, -0.0, 1e-8, 17.5, 88.8, 1e4] {
        for up in [1.0, -2e-30, 3e30] {
            check_rows(
                backends,
                report,
                (&format!("gate {gate}, up {up}"), &[gate, up], 1),
            );
        }
    }
}

fn check_rows<B: Backend>(
    backends: &[Vec<B>],
    report: &mut Report,
    (label, gate_up, ffn): (&str, &[f32], usize),
) {
    let case = Case {
        label,
        width: ffn,
        expected: naive::swiglu(gate_up, ffn),
        bar: ELEMENTWISE_BAR,
    };
    report.check(backends, &case, |backend, rows| {
        let range = rows.start * 2 * ffn..rows.end * 2 * ffn;
        let gate_up = input(backend, &gate_up[range], 2 * ffn);
        output(backend, (rows.len(), ffn), |out| {
            backend.swiglu(&gate_up, out).unwrap();
        })
    });
}
