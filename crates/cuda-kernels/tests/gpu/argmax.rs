//! The largest value.

use cuda_kernels::launch::Argmax;

use super::support::{Random, kernels};

#[test]
fn the_lowest_of_the_largest() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let mut random = Random(9);
    for width in [1, 2, 1023, 1024, 1025, 32_064, 151_936] {
        let mut rows: Vec<Vec<f32>> = (0..6).map(|_| random.floats(width)).collect();
        let [early, late] = [random.below(width), random.below(width)];
        // A tie, a row of -inf, one of NaN, one with NaN before the largest, +inf last.
        rows[0][early] = 5.0;
        rows[0][late] = 5.0;
        rows[1].fill(f32::NEG_INFINITY);
        rows[2].fill(f32::NAN);
        rows[3][early] = f32::NAN;
        rows[3][late] = 3.0;
        rows[4][width - 1] = f32::INFINITY;
        let expected: Vec<u32> = rows.iter().map(|row| reference(row)).collect();
        let x = device.upload(&rows.concat()).unwrap();
        let mut out = device.upload(&[77_u32; 7]).unwrap();
        let (x, view) = (x.view(), out.view_mut());
        Argmax {
            x,
            out: view,
            n_rows: 6,
            width,
        }
        .launch(&kernels)
        .unwrap();
        let found = out.read(7).unwrap();
        assert_eq!((&found[..6], found[6]), (&expected[..], 77), "{width}");
    }
}

fn reference(row: &[f32]) -> u32 {
    let mut best: Option<usize> = None;
    for (i, &value) in row.iter().enumerate() {
        if !value.is_nan() && best.is_none_or(|best| value > row[best]) {
            best = Some(i);
        }
    }
    best.unwrap_or(0) as u32
}
