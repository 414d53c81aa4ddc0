//! The activation.

use cuda_kernels::launch::Swiglu;

use super::support::{Guarded, Random, assert_close, kernels};

#[test]
fn gate_first_up_second() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let mut random = Random(6);
    for (n_rows, ffn) in [(1, 1), (3, 255), (2, 257), (5, 4864)] {
        let mut x = random.floats(n_rows * 2 * ffn);
        x.iter_mut().for_each(|x| *x *= 8.0);
        // Where e^-x overflows, the result is zero, not NaN.
        x[0] = -200.0;
        let expected = x.chunks_exact(2 * ffn).flat_map(|row| {
            let (gate, up) = row.split_at(ffn);
            let pairs = gate
                .iter()
                .zip(up)
                .map(|(&g, &u)| (f64::from(g), f64::from(u)));
            pairs
                .map(|(g, u)| g / (1.0 + (-g).exp()) * u)
                .collect::<Vec<_>>()
        });
        let mut expected: Vec<f64> = expected.collect();
        let gate_up = device.upload(&x).unwrap();
        let mut out = Guarded::new(device, n_rows * ffn);
        let (gate_up, view) = (gate_up.view(), out.buffer.view_mut());
        Swiglu {
            gate_up,
            out: view,
            n_rows,
            ffn,
        }
        .launch(&kernels)
        .unwrap();
        let mut found = out.read();
        assert!(found[0] == 0.0);
        // So that the smallest case has something to compare.
        found.push(1.0);
        expected.push(1.0);
        assert_close(&found, &expected, 1e-10, &format!("{n_rows} x {ffn}"));
    }
}
