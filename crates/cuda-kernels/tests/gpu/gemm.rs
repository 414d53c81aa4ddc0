//! Packed weights times packed rows: right, and the same bits in any batch.

use cuda_kernels::launch::{
    Epilogue, Gemm, GemmSwiglu, Matvec, MatvecEpilogue, PackSource, PackedWeight, RowOrder,
    packed_rows_bytes,
};
use cuda_kernels::{Buffer, Kernels, WeightType, f16};

use super::blocks::{random_rows, value};
use super::pack_rows::pack;
use super::repack::{packed, packed_types};
use super::support::{Guarded, Random, assert_close, assert_same, kernels};

/// Rows of a weight in units, packed on the host: f16, or quants with a scale for each 32.
fn units(weight_type: WeightType, rows: &[Option<&[u8]>], row_len: usize) -> Vec<u8> {
    let mut units = Vec::new();
    for tile in rows.chunks(16) {
        for group in 0..row_len.div_ceil(128) {
            for step in 0..8 {
                units.extend(step_bytes(
                    weight_type,
                    tile,
                    row_len,
                    group * 128 + step * 16,
                ));
            }
            if weight_type == WeightType::Q8_0 {
                interleave_steps(&mut units);
                units.extend(scales(tile, row_len, group));
            }
        }
    }
    units
}

/// For each lane, the four registers of a step.
fn step_bytes(
    weight_type: WeightType,
    tile: &[Option<&[u8]>],
    row_len: usize,
    k: usize,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    for lane in 0..32 {
        for register in 0..4 {
            for e in 0..2 {
                let k = k + lane % 4 * 2 + register / 2 * 8 + e;
                let row = tile[lane / 4 + register % 2 * 8].filter(|_| k < row_len);
                match weight_type {
                    WeightType::F16 => {
                        bytes.extend(row.map_or([0; 2], |row| [row[2 * k], row[2 * k + 1]]));
                    }
                    _ => {
                        let quant = row.map_or(0, |row| row[k / 32 * 34 + 2 + k % 32]);
                        bytes.push(quant.wrapping_add(128));
                    }
                }
            }
        }
    }
    bytes
}

/// A lane's bytes of two steps stand together.
fn interleave_steps(units: &mut [u8]) {
    let first = units.len() - 2048;
    for pair in units[first..].chunks_exact_mut(512) {
        let (a, b) = pair.split_at(256);
        let lanes = a.chunks(8).zip(b.chunks(8));
        let both: Vec<u8> = lanes.flat_map(|(a, b)| [a, b].concat()).collect();
        pair.copy_from_slice(&both);
    }
}

/// `[8 rows][4 blocks][2 halves]`
fn scales(tile: &[Option<&[u8]>], row_len: usize, group: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for g in 0..8 {
        for block in group * 4..group * 4 + 4 {
            for row in [tile[g], tile[g + 8]] {
                let row = row.filter(|_| block * 32 < row_len);
                bytes.extend(row.map_or([0; 2], |row| [row[block * 34], row[block * 34 + 1]]));
            }
        }
    }
    bytes
}

struct Case {
    weight_type: WeightType,
    row_len: usize,
    n_outputs: usize,
    order: RowOrder,
    units: Buffer<u8>,
    bytes: Vec<u8>,
}

impl Case {
    fn new(kernels: &Kernels, weight_type: WeightType, [row_len, n_outputs]: [usize; 2]) -> Self {
        let mut random = Random((row_len * 1000 + n_outputs) as u64);
        let bytes = random_rows(weight_type, n_outputs, row_len, &mut random);
        let row_bytes = weight_type.row_bytes(row_len).unwrap();
        let mut rows: Vec<Option<&[u8]>> = bytes.chunks(row_bytes).map(Some).collect();
        rows.resize(n_outputs.next_multiple_of(16), None);
        let units = units(weight_type, &rows, row_len);
        Self {
            weight_type,
            row_len,
            n_outputs,
            order: RowOrder::Plain,
            units: kernels.device().upload(&units).unwrap(),
            bytes,
        }
    }

    /// Packed by the device; some minima of K-quants are too large for the usual operand.
    fn repacked(
        kernels: &Kernels,
        weight_type: WeightType,
        [row_len, n_outputs]: [usize; 2],
    ) -> Self {
        let mut random = Random((row_len * 1000 + n_outputs) as u64);
        let mut bytes = random_rows(weight_type, n_outputs, row_len, &mut random);
        if matches!(weight_type, WeightType::Q4K | WeightType::Q5K) {
            for (i, block) in bytes
                .chunks_exact_mut(weight_type.block_bytes())
                .enumerate()
            {
                let minimum = [16.0, 17.0, -3000.0, 0.0][i / 3 % 4];
                if i % 3 == 0 {
                    block[2..4].copy_from_slice(&f16::from_f32(minimum).to_le_bytes());
                }
            }
        }
        let order = RowOrder::Plain;
        let units = packed(kernels, weight_type, [n_outputs, row_len], order, &bytes);
        Self {
            weight_type,
            row_len,
            n_outputs,
            order,
            units,
            bytes,
        }
    }

    fn paired(kernels: &Kernels, weight_type: WeightType, [row_len, ffn]: [usize; 2]) -> Self {
        let mut case = Self::new(kernels, weight_type, [row_len, 2 * ffn]);
        let row_bytes = weight_type.row_bytes(row_len).unwrap();
        let mut rows = Vec::new();
        for tile in 0..ffn.div_ceil(8) {
            for first in [0, ffn] {
                rows.extend((tile * 8..tile * 8 + 8).map(|i| {
                    let row = || &case.bytes[(first + i) * row_bytes..][..row_bytes];
                    (i < ffn).then(row)
                }));
            }
        }
        let units = units(weight_type, &rows, row_len);
        case.units = kernels.device().upload(&units).unwrap();
        case.order = RowOrder::Paired;
        case
    }

    fn weight(&self) -> PackedWeight<'_> {
        PackedWeight {
            units: self.units.view(),
            weight_type: self.weight_type,
            n_rows: self.n_outputs,
            row_len: self.row_len,
            order: self.order,
        }
    }

    fn packed(&self, kernels: &Kernels, x: &[f32]) -> Buffer<u8> {
        let n_rows = x.len() / self.row_len;
        let x = kernels.device().upload(x).unwrap();
        let packed = pack(kernels, PackSource::Rows(x.view()), n_rows, self.row_len);
        kernels.device().upload(&packed).unwrap()
    }

    /// By the kernel for few rows.
    fn run_few(&self, kernels: &Kernels, x: &[f32]) -> Vec<f32> {
        let n_rows = x.len() / self.row_len;
        let x = kernels.device().upload(x).unwrap();
        let zeros = vec![0.0; n_rows * self.n_outputs];
        let mut out = Guarded::with(kernels.device(), &zeros);
        let launch = Matvec {
            stack: &[self.weight()],
            norm: None,
            x: x.view(),
            out: out.buffer.view_mut(),
            n_rows,
            out_width: self.n_outputs,
            epilogue: MatvecEpilogue::Store,
            is_chained: false,
        };
        launch.launch(kernels).unwrap();
        out.read()
    }

    /// Columns in all are three more than outputs; the first is the second column.
    fn run(&self, kernels: &Kernels, x: &[f32], epilogue: Epilogue<'_>) -> Vec<f32> {
        let n_rows = x.len() / self.row_len;
        let out_width = self.n_outputs + 3;
        let x = self.packed(kernels, x);
        let mut out = Guarded::with(kernels.device(), &vec![7.0; n_rows * out_width]);
        let launch = Gemm {
            weight: self.weight(),
            x: x.view(),
            out: out.buffer.view_mut(),
            n_rows,
            first_output: 1,
            out_width,
            epilogue,
        };
        launch.launch(kernels).unwrap();
        let mut values = Vec::new();
        for row in out.read().chunks_exact(out_width) {
            let (inside, outside) = (&row[1..=self.n_outputs], [row[0], row[out_width - 1]]);
            assert_eq!(outside, [7.0; 2], "other columns are left alone");
            values.extend_from_slice(inside);
        }
        values
    }

    fn check(&self, x: &[f32], found: &[f32]) {
        let row_bytes = self.weight_type.row_bytes(self.row_len).unwrap();
        let weights: Vec<f64> = (0..self.n_outputs * self.row_len)
            .map(|i| {
                let row = &self.bytes[i / self.row_len * row_bytes..][..row_bytes];
                f64::from(value(self.weight_type, row, i % self.row_len))
            })
            .collect();
        let rows = x
            .chunks_exact(self.row_len)
            .zip(found.chunks_exact(self.n_outputs));
        // Every seventh row is enough, and the last.
        let n_rows = x.len() / self.row_len;
        for (r, (x, found)) in rows.enumerate() {
            if r % 7 == 0 || r + 1 == n_rows {
                let dot = |w: &[f64]| w.iter().zip(x).map(|(w, &x)| w * f64::from(x)).sum();
                let expected: Vec<f64> = weights.chunks_exact(self.row_len).map(dot).collect();
                assert_close(found, &expected, 1e-5, &format!("{:?}", self.weight_type));
            }
        }
    }
}

const TYPES: [WeightType; 2] = [WeightType::F16, WeightType::Q8_0];

#[test]
fn every_size_gives_the_bits_of_single_rows() {
    let Some(kernels) = kernels() else { return };
    for weight_type in TYPES {
        for [row_len, n_outputs] in [[896, 300], [160, 40], [1024, 1152]] {
            let case = Case::new(&kernels, weight_type, [row_len, n_outputs]);
            let x = Random(9).with_outliers(400 * row_len);
            let together = case.run(&kernels, &x, Epilogue::Store);
            case.check(&x, &together);
            for n_rows in [1, 17, 130] {
                let start = 31;
                let part = &x[start * row_len..][..n_rows * row_len];
                let alone = case.run(&kernels, part, Epilogue::Store);
                let expected = &together[start * n_outputs..][..n_rows * n_outputs];
                assert_same(&alone, expected, &format!("{weight_type:?}, {n_rows} rows"));
            }
        }
    }
}

#[test]
fn every_format_has_the_bits_of_the_kernel_for_few_rows() {
    let Some(kernels) = kernels() else { return };
    for weight_type in packed_types() {
        let row_len = 768;
        let case = Case::repacked(&kernels, weight_type, [row_len, 150]);
        let x = Random(13).with_outliers(140 * row_len);
        let many = case.run(&kernels, &x, Epilogue::Store);
        case.check(&x, &many);
        for (first, n_rows) in [(0, 1), (131, 1), (136, 4), (3, 16)] {
            let few = case.run_few(&kernels, &x[first * row_len..][..n_rows * row_len]);
            let expected = &many[first * 150..][..n_rows * 150];
            assert_same(&few, expected, &format!("{weight_type:?}, {n_rows} rows"));
        }
    }
}

#[test]
fn bias_and_accumulation_are_added_to_the_sum() {
    let Some(kernels) = kernels() else { return };
    for n_rows in [3, 600] {
        let case = Case::new(&kernels, WeightType::F16, [896, 1000]);
        let x = Random(10).floats(n_rows * 896);
        let plain = case.run(&kernels, &x, Epilogue::Store);
        let bias = Random(3).with_outliers(1000);
        let on_device = kernels.device().upload(&bias).unwrap();
        let biased = case.run(&kernels, &x, Epilogue::Bias(on_device.view()));
        let sums = plain.iter().zip(bias.iter().cycle());
        let expected: Vec<f32> = sums.map(|(a, b)| a + b).collect();
        assert_same(&biased, &expected, "bias");
        let added = case.run(&kernels, &x, Epilogue::Accumulate);
        let expected: Vec<f32> = plain.iter().map(|a| a + 7.0).collect();
        assert_same(&added, &expected, "accumulation");
    }
}

#[test]
fn a_fused_activation_has_the_bits_of_one_after_the_product() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    for weight_type in TYPES {
        for (n_rows, ffn) in [(5, 328), (1500, 328), (2048, 576)] {
            let case = Case::paired(&kernels, weight_type, [256, ffn]);
            let x = Random(11).floats(n_rows * 256);
            let gate_up = case.run(&kernels, &x, Epilogue::Store);
            case.check(&x, &gate_up);
            let gate_up = device.upload(&gate_up).unwrap();
            let after = pack(&kernels, PackSource::Swiglu(gate_up.view()), n_rows, ffn);
            let x = case.packed(&kernels, &x);
            let mut out = device.zeroed(packed_rows_bytes(n_rows, ffn)).unwrap();
            let mut scratch = device.zeroed(n_rows * ffn).unwrap();
            let launch = GemmSwiglu {
                weight: case.weight(),
                x: x.view(),
                out: out.view_mut(),
                scratch: scratch.view_mut(),
                with_sums: true,
                n_rows,
            };
            launch.launch(&kernels).unwrap();
            let fused = out.read(after.len()).unwrap();
            assert!(fused == after, "{weight_type:?}, {n_rows} rows of {ffn}");
        }
    }
}

#[test]
fn a_row_that_is_not_finite_spoils_no_other() {
    let Some(kernels) = kernels() else { return };
    let case = Case::new(&kernels, WeightType::F16, [896, 64]);
    let mut x = Random(12).floats(300 * 896);
    let clean = case.run(&kernels, &x, Epilogue::Store);
    x[7 * 896 + 3] = f32::NAN;
    x[8 * 896 + 900 - 896] = f32::INFINITY;
    let found = case.run(&kernels, &x, Epilogue::Store);
    for (r, (found, clean)) in found.chunks(64).zip(clean.chunks(64)).enumerate() {
        if r == 7 || r == 8 {
            assert!(found.iter().any(|v| !v.is_finite()), "row {r}");
        } else {
            assert_same(found, clean, &format!("row {r}"));
        }
    }
}
