//! Activations as integers of 13 bits under an f32 scale for each 128 of them.
//!
//! A row is multiplied by a power of two first, so that its largest value is about 1 and neither
//! scales nor products leave the range of f32. A block in which one value towers over the others
//! has a second block beside it, of what rounding left of the first.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::super::kernels::Isa;
use super::super::pool::{SharedOut, ThreadPool};
use super::MAX_FEW;

/// Channels under one scale.
pub(in crate::backend::cpu) const DEPTH: usize = 128;
/// Channels whose quants are also added up, for weights with a minimum.
pub(super) const RUN: usize = 32;
/// The largest quant. With it 128 products with any format's weights fit 32 bits.
const MAX_QUANT: f32 = 4095.0;
/// Blocks whose squared quants add up to less hold a value beyond 45 times the root mean square of
/// the others: `4095^2 * (1 + 127 / 45^2)`.
const OUTLIER: i32 = 17_820_757;
/// Blocks below this, in a row of about 1, are zero: their scale would have no inverse.
const SMALLEST: f32 = f32::from_bits((127 - 113) << 23);
/// Values looked at side by side.
const LANES: usize = 16;
/// Added to a small number it leaves the nearest integer in the lowest bits.
const ROUNDER: f32 = 12_582_912.0;

/// 128 channels of a row.
#[derive(Clone)]
#[repr(C, align(64))]
pub(super) struct ActivationBlock {
    /// Words in pairs.
    pub(super) quants: [[i16; 2]; DEPTH / 2],
    /// Sums of 32 quants each, as pairs of words: `low + 512 * high`.
    pub(super) sums: [i32; DEPTH / RUN],
    /// What a quant of one stands for; NaN where a value is not finite.
    pub(super) scale: f32,
    /// What the row's results are multiplied by.
    pub(super) row_scale: f32,
    /// Which 128 channels, and the row.
    pub(super) place: (usize, usize),
}

const ZEROS: ActivationBlock = ActivationBlock {
    quants: [[0; 2]; DEPTH / 2],
    sums: [0; DEPTH / RUN],
    scale: 0.0,
    row_scale: 1.0,
    place: (0, 0),
};

/// The quants of a block for the kernels of few rows.
#[repr(C, align(64))]
pub(super) struct Planes {
    /// Bytes: a quant is `64 * high + low`.
    pub(super) high: [i8; DEPTH],
    pub(super) low: [i8; DEPTH],
    /// Sums of 16 quants each.
    pub(super) sixteens: [i32; DEPTH / 16],
}

impl Planes {
    fn of(block: &ActivationBlock) -> Self {
        let quants = block.quants.as_flattened();
        Self {
            high: std::array::from_fn(|i| (quants[i] >> 6) as i8),
            low: std::array::from_fn(|i| (quants[i] & 63) as i8),
            sixteens: std::array::from_fn(|i| sum(&quants[16 * i..16 * i + 16])),
        }
    }
}

#[inline(always)]
fn sum(quants: &[i16]) -> i32 {
    let add = |sum: i32, &quant: &i16| sum.wrapping_add(i32::from(quant));
    quants.iter().fold(0, add)
}

/// The activations of one product. Memory is kept from one to the next.
#[derive(Default)]
pub(in crate::backend::cpu) struct Activations {
    n_rows: usize,
    /// `[n_blocks][n_rows]`.
    blocks: Vec<ActivationBlock>,
    /// What is left of some, in order of block and row.
    residuals: Vec<ActivationBlock>,
    /// Of both, if there are few rows.
    planes: [Vec<Planes>; 2],
}

impl Activations {
    /// Rounds `[rows][row_len]` values.
    pub(in crate::backend::cpu) fn set(
        &mut self,
        (pool, isa): (&ThreadPool, Isa),
        x: &[f32],
        row_len: usize,
    ) {
        let n_rows = x.len() / row_len;
        let n_blocks = row_len.div_ceil(DEPTH);
        if self.blocks.len() < n_rows * n_blocks {
            self.blocks.resize(n_rows * n_blocks, ZEROS);
        }
        self.n_rows = n_rows;
        self.residuals.clear();
        let blocks = SharedOut::new(&mut self.blocks);
        let residuals = Mutex::new(&mut self.residuals);
        pool.run(n_rows, &|_, row| {
            let x = &x[row * row_len..(row + 1) * row_len];
            let exponent = exponent(x);
            for (index, x) in x.chunks(DEPTH).enumerate() {
                let mut values = [0.0; DEPTH];
                for (value, x) in values.iter_mut().zip(x) {
                    *value = x * power_of_two(-exponent);
                }
                // SAFETY: every row has its own blocks, and takes one at a time.
                let block = unsafe { &mut blocks.slice(index * n_rows + row, 1)[0] };
                block.place = (index, row);
                block.row_scale = power_of_two(exponent);
                if round(isa, &values, block) {
                    let block = residual(isa, &values, block);
                    let mut residuals = residuals.lock().unwrap_or_else(PoisonError::into_inner);
                    residuals.push(block);
                }
            }
        });
        self.residuals.sort_unstable_by_key(|block| block.place);
        self.planes.iter_mut().for_each(Vec::clear);
        if n_rows <= MAX_FEW {
            let blocks = &self.blocks[..n_rows * n_blocks];
            self.planes[0].extend(blocks.iter().map(Planes::of));
            self.planes[1].extend(self.residuals.iter().map(Planes::of));
        }
    }

    /// What the results of each row are multiplied by.
    pub(super) fn row_scales(&self) -> impl Iterator<Item = f32> {
        self.blocks[..self.n_rows]
            .iter()
            .map(|block| block.row_scale)
    }

    /// Rows.
    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Those of all rows for the channels `128 * index ..`, and what is left of some.
    #[inline]
    pub(super) fn blocks(&self, index: usize) -> [&[ActivationBlock]; 2] {
        let [blocks, residuals] = self.ranges(index);
        [&self.blocks[blocks], &self.residuals[residuals]]
    }

    /// Planes of the same, of few rows.
    #[inline]
    pub(super) fn planes(&self, index: usize) -> [&[Planes]; 2] {
        let [blocks, residuals] = self.ranges(index);
        [&self.planes[0][blocks], &self.planes[1][residuals]]
    }

    #[inline]
    fn ranges(&self, index: usize) -> [Range<usize>; 2] {
        let residuals_before = |index| {
            self.residuals
                .partition_point(|block| block.place.0 < index)
        };
        [
            index * self.n_rows..(index + 1) * self.n_rows,
            residuals_before(index)..residuals_before(index + 1),
        ]
    }
}

/// The exponent of the largest value of a row, as far as there are both powers of two.
fn exponent(x: &[f32]) -> i32 {
    let (whole, rest) = x.as_chunks::<LANES>();
    let mut largest = [0.0; LANES];
    for x in whole {
        larger(&mut largest, x);
    }
    let largest = largest
        .iter()
        .chain(rest)
        .fold(0.0, |a, b| f32::max(a, b.abs()));
    ((largest.to_bits() >> 23).cast_signed() - 127).clamp(-126, 126)
}

fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) << 23).cast_unsigned())
}

/// Raises each lane to the magnitude of a value.
#[inline(always)]
fn larger(largest: &mut [f32; LANES], x: &[f32; LANES]) {
    for (largest, x) in largest.iter_mut().zip(x) {
        *largest = if x.abs() > *largest {
            x.abs()
        } else {
            *largest
        };
    }
}

/// Rounds a block; whether one value towers over the others.
fn round(isa: Isa, x: &[f32; DEPTH], block: &mut ActivationBlock) -> bool {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 | Isa::Avx512 => {
            #[target_feature(enable = "avx2")]
            fn avx2(x: &[f32; DEPTH], block: &mut ActivationBlock) -> bool {
                round_lanes(x, block)
            }
            // SAFETY: these instruction sets were found on this machine, and have AVX2.
            unsafe { avx2(x, block) }
        }
        _ => round_lanes(x, block),
    }
}

#[inline(always)]
fn round_lanes(x: &[f32; DEPTH], block: &mut ActivationBlock) -> bool {
    let (mut largest, mut not_finite) = ([0.0; LANES], [0.0; LANES]);
    for x in x.as_chunks::<LANES>().0 {
        larger(&mut largest, x);
        for (lane, x) in not_finite.iter_mut().zip(x) {
            *lane += x * 0.0;
        }
    }
    let largest = largest.into_iter().fold(0.0, f32::max);
    let not_finite: f32 = not_finite.iter().sum();
    let inverse = if not_finite.is_nan() || largest < SMALLEST {
        block.scale = not_finite;
        0.0
    } else {
        block.scale = largest / MAX_QUANT;
        MAX_QUANT / largest
    };
    let mut squares = 0_i32;
    let quants = block.quants.as_flattened_mut();
    for (quant, x) in quants.iter_mut().zip(x) {
        *quant = (x * inverse + ROUNDER).to_bits() as i16;
        let quant = i32::from(*quant);
        squares = squares.wrapping_add(quant.wrapping_mul(quant));
    }
    for (quants, pair) in quants.as_chunks::<RUN>().0.iter().zip(&mut block.sums) {
        let sum = sum(quants);
        *pair = sum & 511 | sum >> 9 << 16;
    }
    inverse > 0.0 && squares < OUTLIER
}

/// What rounding left of a block, rounded.
fn residual(isa: Isa, x: &[f32; DEPTH], block: &ActivationBlock) -> ActivationBlock {
    let mut rest = *x;
    for (rest, &quant) in rest.iter_mut().zip(block.quants.as_flattened()) {
        *rest = f32::from(-quant).mul_add(block.scale, *rest);
    }
    let mut residual = block.clone();
    round(isa, &rest, &mut residual);
    residual
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(x: &[f32], row_len: usize, isa: Isa) -> Activations {
        let mut activations = Activations::default();
        activations.set((&ThreadPool::new(2), isa), x, row_len);
        activations
    }

    /// The values of a block, from its quants.
    fn values(block: &ActivationBlock) -> Vec<f64> {
        let scale = f64::from(block.scale) * f64::from(block.row_scale);
        let quants = block.quants.as_flattened().iter();
        quants.map(|&quant| f64::from(quant) * scale).collect()
    }

    fn rows() -> Vec<f32> {
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 23) - 1.0
        };
        let magnitudes = [1.0, 1e-44, 1e-30, 1e15, 3.4e38, 0.0];
        let row = |magnitude| (0..160).map(|_| (magnitude * random()) as f32).collect();
        magnitudes
            .map(row)
            .into_iter()
            .flat_map(|row: Vec<f32>| row)
            .collect()
    }

    #[test]
    fn values_are_within_half_a_step_at_any_magnitude() {
        let x = rows();
        for isa in Isa::available() {
            let activations = set(&x, 160, isa);
            for (row, x) in x.chunks(160).enumerate() {
                for (index, x) in x.chunks(DEPTH).enumerate() {
                    let block = &activations.blocks(index)[0][row];
                    assert_eq!(block.place, (index, row));
                    let step = f64::from(block.scale) * f64::from(block.row_scale);
                    let padded = x.iter().map(|&x| f64::from(x)).chain([0.0; DEPTH]);
                    for (value, x) in values(block).into_iter().zip(padded) {
                        assert!((value - x).abs() <= 0.5001 * step, "{value:e}, {x:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_form_of_a_block_holds_the_same_quants() {
        let activations = set(&rows(), 160, Isa::detect());
        for block in &activations.blocks[..12] {
            let planes = Planes::of(block);
            let quants = block.quants.as_flattened();
            for (i, &quant) in quants.iter().enumerate() {
                let bytes = 64 * i16::from(planes.high[i]) + i16::from(planes.low[i]);
                assert!(quant == bytes && quant.abs() <= 4095 && planes.low[i] >= 0);
            }
            let exact = |quants: &[i16]| quants.iter().map(|&quant| i32::from(quant)).sum::<i32>();
            for (quants, &sum) in quants.chunks(16).zip(&planes.sixteens) {
                assert_eq!(exact(quants), sum);
            }
            for (quants, &pair) in quants.chunks(RUN).zip(&block.sums) {
                assert_eq!(exact(quants), (pair & 511) + 512 * (pair >> 16));
            }
        }
    }

    #[test]
    fn only_a_block_with_an_outlier_has_a_residual_which_keeps_its_digits() {
        let mut x = rows()[..160].repeat(3);
        x[160 + 5] = 1e5;
        for isa in Isa::available() {
            let activations = set(&x, 160, isa);
            assert!(activations.blocks(1)[1].is_empty());
            let [blocks, [residual]] = activations.blocks(0) else {
                panic!("{} residuals", activations.residuals.len());
            };
            assert_eq!(residual.place, (0, 1));
            let both = values(&blocks[1]).into_iter().zip(values(residual));
            for ((first, rest), &x) in both.zip(&x[160..]) {
                assert!((first + rest - f64::from(x)).abs() < 0.01, "{x}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_makes_the_scale_of_its_block_a_nan() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x = vec![1.0; 256];
            x[130] = value;
            let activations = set(&x, 256, Isa::detect());
            assert!(activations.blocks(0)[0][0].scale.is_finite());
            assert!(activations.blocks(1)[0][0].scale.is_nan());
        }
    }
}
