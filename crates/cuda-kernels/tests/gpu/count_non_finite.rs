//! NaN and infinities.

use cuda_kernels::launch::CountNonFinite;

use super::support::{Random, kernels};

#[test]
fn each_kind_counts_wherever_it_is() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let mut random = Random(10);
    for width in [1, 255, 256, 257, 151_936] {
        let mut x = random.with_outliers(4 * width);
        x[0] = f32::MAX;
        x[2 * width - 1] = f32::NAN;
        x[2 * width] = f32::NEG_INFINITY;
        x[3 * width..].fill(f32::INFINITY);
        let x = device.upload(&x).unwrap();
        let mut out = device.upload(&[77_u32; 5]).unwrap();
        let (x, view) = (x.view(), out.view_mut());
        CountNonFinite {
            x,
            out: view,
            n_rows: 4,
            width,
        }
        .launch(&kernels)
        .unwrap();
        assert_eq!(out.read(5).unwrap(), [0, 1, 1, width as u32, 77], "{width}");
    }
}
