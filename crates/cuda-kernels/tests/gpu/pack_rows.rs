//! Packed rows: near the rows, and the same whichever kernel makes them.

use cuda_kernels::launch::{PackRows, PackSource, RmsNorm, Swiglu, packed_rows_bytes};
use cuda_kernels::{Kernels, f16};

use super::support::{Random, kernels};

const SLAB_BYTES: usize = 41_472;

/// The packed bytes of rows.
pub(crate) fn pack(
    kernels: &Kernels,
    source: PackSource<'_>,
    n_rows: usize,
    width: usize,
) -> Vec<u8> {
    let len = packed_rows_bytes(n_rows, width);
    let mut out = kernels.device().zeroed(len).unwrap();
    let launch = PackRows {
        source,
        out: out.view_mut(),
        n_rows,
        width,
    };
    launch.launch(kernels).unwrap();
    out.read(len).unwrap()
}

fn float(bytes: &[u8], at: usize) -> f32 {
    f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// A group of a row: its scale, its values as stored, and its sums over 32, then over 16 channels.
fn group(packed: &[u8], groups: usize, row: usize, group: usize) -> (f32, Vec<f32>, Vec<f32>) {
    let slab = &packed[(row / 128 * groups + group) * SLAB_BYTES..][..SLAB_BYTES];
    let row = row % 128;
    let value = |k: usize| {
        let at = row / 8 * 2048 + k / 8 * 128 + row % 8 * 16 + k % 8 * 2;
        f16::from_le_bytes([slab[at], slab[at + 1]]).to_f32()
    };
    // Rows 2t, 2t + 1, 2t + 8, 2t + 9 of sixteen stand together.
    let place = row / 16 * 16 + row % 8 / 2 * 4 + row / 8 % 2 * 2 + row % 2;
    // Between the scales and the sums are the split sums.
    let side = |i: usize| float(slab, 32_768 + i.min(1) * 2048 + (i * 128 + place) * 4);
    let sums = (1..13).map(side).collect();
    (side(0), (0..128).map(value).collect(), sums)
}

/// A balanced binary tree.
fn tree(values: &[f32]) -> f32 {
    match values {
        [value] => *value,
        _ => {
            let (first, second) = values.split_at(values.len() / 2);
            tree(first) + tree(second)
        }
    }
}

#[test]
fn values_scales_and_sums() {
    let Some(kernels) = kernels() else { return };
    let mut random = Random(21);
    for (n_rows, width) in [(1, 1), (3, 130), (9, 896), (129, 256)] {
        let mut x = random.with_outliers(n_rows * width);
        x.iter_mut().step_by(5).for_each(|x| *x *= 1e-30);
        x[..width / 2].fill(0.0);
        let on_device = kernels.device().upload(&x).unwrap();
        let packed = pack(&kernels, PackSource::Rows(on_device.view()), n_rows, width);
        let groups = width.div_ceil(128);
        for (i, x) in x
            .chunks_exact(width)
            .flat_map(|row| row.chunks(128))
            .enumerate()
        {
            let (scale, values, sums) = group(&packed, groups, i / groups, i % groups);
            let largest = x.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            let unit = if largest > 0.0 {
                largest / scale
            } else {
                16_384.0
            };
            assert!(
                (16_384.0..32_768.0).contains(&unit),
                "{largest} over {scale}"
            );
            for (k, &value) in values.iter().enumerate() {
                let expected = x.get(k).map_or(0.0, |x| x / scale);
                let rounded = f16::from_f32(expected).to_f32();
                assert_eq!(value.to_bits(), rounded.to_bits(), "{i}, {k}");
            }
            let runs = values.chunks(32).chain(values.chunks(16));
            let expected: Vec<f32> = runs.map(tree).collect();
            assert_eq!(sums, expected, "{i}");
        }
    }
}

#[test]
fn a_norm_that_packs_has_the_bits_of_a_norm_before() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let mut random = Random(22);
    for (n_rows, width) in [(5, 896), (2, 3072), (3, 128), (2100, 896), (2, 8192)] {
        let x = device
            .upload(&random.with_outliers(n_rows * width))
            .unwrap();
        let weight = device.upload(&random.floats(width)).unwrap();
        let mut normed = device.zeroed::<f32>(n_rows * width).unwrap();
        let (x, weight, eps) = (x.view(), weight.view(), 1e-6);
        let norm = RmsNorm {
            x,
            weight,
            out: normed.view_mut(),
            eps,
            n_rows,
            width,
        };
        norm.launch(&kernels).unwrap();
        let after = pack(&kernels, PackSource::Rows(normed.view()), n_rows, width);
        let source = PackSource::Norm { x, weight, eps };
        let fused = pack(&kernels, source, n_rows, width);
        assert!(fused == after, "{n_rows} x {width}");
    }
}

#[test]
fn an_activation_that_packs_has_the_bits_of_one_before() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let (n_rows, ffn) = (7, 1000);
    let gate_up = Random(23).with_outliers(n_rows * 2 * ffn);
    let gate_up = device.upload(&gate_up).unwrap();
    let mut activated = device.zeroed::<f32>(n_rows * ffn).unwrap();
    let (gate_up, out) = (gate_up.view(), activated.view_mut());
    let swiglu = Swiglu {
        gate_up,
        out,
        n_rows,
        ffn,
    };
    swiglu.launch(&kernels).unwrap();
    let after = pack(&kernels, PackSource::Rows(activated.view()), n_rows, ffn);
    let fused = pack(&kernels, PackSource::Swiglu(gate_up), n_rows, ffn);
    assert!(fused == after);
}
