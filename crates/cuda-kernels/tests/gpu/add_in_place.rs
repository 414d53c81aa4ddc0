//! Sums.

use cuda_kernels::launch::AddInPlace;

use super::support::{Guarded, Random, assert_same, kernels};

#[test]
fn every_length() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let mut random = Random(8);
    for len in [1, 255, 256, 257, 100_000] {
        let (a, b) = (random.with_outliers(len), random.floats(len));
        let expected: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        let mut out = Guarded::with(device, &a);
        let x = device.upload(&b).unwrap();
        let (x, view) = (x.view(), out.buffer.view_mut());
        AddInPlace { x, out: view, len }.launch(&kernels).unwrap();
        assert_same(&out.read(), &expected, &format!("{len}"));
    }
}
