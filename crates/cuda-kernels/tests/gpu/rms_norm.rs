//! RMSNorm over rows.

use cuda_kernels::launch::RmsNorm;

use super::support::{Guarded, Random, assert_close, kernels};

/// `x * weight / sqrt(mean(x^2) + eps)`
pub(crate) fn reference(x: &[f32], weight: &[f32], eps: f32) -> Vec<f64> {
    let squares: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
    let root = (squares / x.len() as f64 + f64::from(eps)).sqrt();
    let pairs = x.iter().zip(weight);
    pairs
        .map(|(&x, &w)| f64::from(x) / root * f64::from(w))
        .collect()
}

#[test]
fn every_width() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let mut random = Random(4);
    for width in [1, 2, 31, 33, 255, 256, 257, 896, 3072] {
        for (n_rows, eps) in [(1, 1e-6), (5, 1e-1)] {
            let x = random.with_outliers(n_rows * width);
            let weight = random.floats(width);
            let rows = x.chunks_exact(width);
            let expected: Vec<f64> = rows.flat_map(|x| reference(x, &weight, eps)).collect();
            let (x, weight) = (device.upload(&x).unwrap(), device.upload(&weight).unwrap());
            let mut out = Guarded::new(device, n_rows * width);
            let launch = RmsNorm {
                x: x.view(),
                weight: weight.view(),
                out: out.buffer.view_mut(),
                eps,
                n_rows,
                width,
            };
            launch.launch(&kernels).unwrap();
            assert_close(
                &out.read(),
                &expected,
                1e-10,
                &format!("{n_rows} x {width}"),
            );
        }
    }
}
