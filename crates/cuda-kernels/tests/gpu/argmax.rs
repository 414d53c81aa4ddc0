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
        rows[3][early] = 3.0;
        rows[3][late] = f32::NAN;
        rows[4][width - 1] = f32::INFINITY;
        let expected: Vec<u32> = rows.iter().map(|row| reference(row)).collect();
        let bad = |row: &Vec<f32>| row.iter().filter(|value| !value.is_finite()).count() as u32;
        let bad: Vec<u32> = rows.iter().map(bad).collect();
        let x = device.upload(&rows.concat()).unwrap();
        let mut out = device.upload(&[77_u32; 7]).unwrap();
        let mut non_finite = device.upload(&[77_u32; 7]).unwrap();
        let mut keys = device.upload(&vec![7; Argmax::n_keys(6, width)]).unwrap();
        let mut arrivals = device.zeroed(6).unwrap();
        // Twice: a launch leaves its scratch memory as it found it.
        for _ in 0..2 {
            let (x, out) = (x.view(), out.view_mut());
            Argmax {
                x,
                keys: keys.view_mut(),
                arrivals: arrivals.view_mut(),
                out,
                non_finite: non_finite.view_mut(),
                n_rows: 6,
                width,
            }
            .launch(&kernels)
            .unwrap();
        }
        let found = out.read(7).unwrap();
        assert_eq!((&found[..6], found[6]), (&expected[..], 77), "{width}");
        let found = non_finite.read(7).unwrap();
        assert_eq!((&found[..6], found[6]), (&bad[..], 77), "{width}");
    }
}

fn reference(row: &[f32]) -> u32 {
    if row.iter().any(|value| !value.is_finite()) {
        return Argmax::NONE;
    }
    let best = |best: usize, i: usize| if row[i] > row[best] { i } else { best };
    (0..row.len()).fold(0, best) as u32
}
