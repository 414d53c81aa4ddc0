//! Many activation rows against a panel of weights, unpacked 128 channels at a time into the
//! first-level cache. Lanes are outputs: a pair of weights of each meets one pair of activations.

use std::arch::x86_64::*;

use super::super::aligned::AlignedVec;
use super::super::matmul::RowTask;
use super::super::vector::Vector;
use super::activations::{ActivationBlock, Activations, DEPTH, RUN};
use super::formats::IntegerFormat;
use super::products::{RUNS, Scales, Units, finish, half, row_pointers};
use super::words::Words;
use super::{MAX_LANES, PANEL};

/// Registers of weights multiplied side by side.
const GROUP: usize = 2;
/// Pairs of words in 32.
const PAIRS: usize = RUN / 2;

/// 128 channels of [`PANEL`] weight rows.
#[repr(C, align(64))]
pub(super) struct Panel {
    /// `[PANEL / (GROUP * lanes)][64 pairs][GROUP][lanes]`.
    words: [[i16; 2]; PANEL * DEPTH / 2],
    /// Of the unit that the channels belong to.
    scales: Scales,
    /// Where in the unit they begin, and end: runs.
    runs: (usize, usize),
}

impl Panel {
    pub(super) const EMPTY: Self = Self {
        words: [[0; 2]; PANEL * DEPTH / 2],
        scales: Scales::ZEROS,
        runs: (0, 0),
    };

    /// Where the pairs of the columns from `column` on stand; the next pairs are `GROUP` registers
    /// further.
    fn words_of<V: Words>(&mut self, column: usize) -> *mut [i16; 2] {
        let register = column / V::LANES;
        let (group, index) = (register / GROUP, register % GROUP);
        self.words[(group * GROUP * DEPTH / 2 + index) * V::LANES..].as_mut_ptr()
    }
}

/// Runs of 32 under one f32 scale in 128 channels, and whether weights have minima.
pub(super) type Kind = (usize, bool);

/// [`unpack`] of a format and [`multiply`] of its kind, for one instruction set.
#[derive(Clone, Copy)]
pub(super) struct PanelKernels {
    pub(super) unpack: unsafe fn(&[*const u8; PANEL], (usize, usize), &mut Panel),
    pub(super) multiply: unsafe fn(&Panel, &[ActivationBlock], &mut [[f32; PANEL]]),
}

/// All rows of a task, of which there are up to [`PANEL`].
///
/// # Safety
/// The instruction set of the kernels must be there, and their format be that of the task.
pub(super) unsafe fn run(
    task: &RowTask<'_>,
    x: &Activations,
    scratch: &mut AlignedVec,
    kernels: PanelKernels,
) {
    let rows = row_pointers(task, 0);
    let sums = scratch.at_least(x.n_rows() * PANEL);
    sums.fill(0.0);
    let sums = sums.as_chunks_mut().0;
    let mut panel = Panel::EMPTY;
    for block in 0..task.row_len.div_ceil(DEPTH) {
        // SAFETY: the caller's promise; rows are whole blocks, as many as they have channels.
        unsafe {
            (kernels.unpack)(&rows, (block, task.row_len - block * DEPTH), &mut panel);
            for x in x.blocks(block) {
                (kernels.multiply)(&panel, x, sums);
            }
        }
    }
    let n = task.bytes.len() / task.row_bytes;
    finish(task, x, (0, n), sums);
}

/// Unpacks the channels `128 * block ..` of the rows, of which `channels` are left.
///
/// # Safety
/// As [`IntegerFormat`], for every row.
#[inline(always)]
pub(super) unsafe fn unpack<V: Words, F: IntegerFormat>(
    rows: &[*const u8; PANEL],
    (block, channels): (usize, usize),
    panel: &mut Panel,
) {
    let unit = block * RUNS / Units::<F>::RUNS;
    let first = block * RUNS % Units::<F>::RUNS;
    let n_runs = RUNS.min(channels / RUN);
    panel.runs = (first, first + n_runs);
    for column in (0..PANEL).step_by(V::LANES) {
        let mut units = [rows[column]; MAX_LANES];
        for (lane, unit_of) in units.iter_mut().enumerate().take(V::LANES) {
            *unit_of = rows[column + lane].wrapping_add(unit * Units::<F>::BYTES);
            prefetch::<V, F>(*unit_of);
        }
        // SAFETY: the caller's promise.
        unsafe {
            let mut factors = [_mm_setzero_si128(); MAX_LANES];
            let mut minima = [[0; MAX_LANES]; 2];
            for (lane, &unit) in units.iter().enumerate().take(V::LANES) {
                factors[lane] = _mm_cvtepi8_epi16(half(F::scales(unit), first / RUNS));
                [minima[0][lane], minima[1][lane]] = F::minima(unit);
            }
            if first == 0 {
                panel.scales.read::<V, F>(&units, &minima, (n_runs, column));
            }
            let words = panel.words_of::<V>(column);
            for run in 0..n_runs {
                for part in 0..V::PARTS {
                    let mut square = [V::zero(); MAX_LANES];
                    for lane in 0..V::LANES {
                        let quants = Units::<F>::quants::<V>(units[lane], first + run);
                        let zero = _mm256_set1_epi8(F::OFFSET.cast_signed());
                        let words = V::widen(_mm256_sub_epi8(quants, zero), part);
                        square[lane] = if F::SCALED {
                            words.multiply(V::spread(factors[lane], run * V::PARTS + part))
                        } else {
                            words
                        };
                    }
                    V::transpose(&mut square);
                    let first = run * PAIRS + part * V::LANES;
                    for (lane, pair) in square.into_iter().take(V::LANES).enumerate() {
                        pair.store(words.add((first + lane) * GROUP * V::LANES));
                    }
                }
            }
        }
    }
}

/// Asks for what a row has two units ahead.
#[inline(always)]
fn prefetch<V: Words, F: IntegerFormat>(unit: *const u8) {
    let ahead = unit.wrapping_add(2 * Units::<F>::BYTES);
    for line in (0..Units::<F>::BYTES).step_by(64) {
        V::Floats::prefetch(ahead.wrapping_add(line));
    }
}

/// Adds a panel's products to `sums`, `[rows][PANEL]`; `x` has any rows, each once.
///
/// # Safety
/// As [`Words`].
#[inline(always)]
pub(super) unsafe fn multiply<V: Words, const TILE: usize>(
    panel: &Panel,
    kind: Kind,
    x: &[ActivationBlock],
    sums: &mut [[f32; PANEL]],
) {
    let (tiles, rest) = x.as_chunks::<TILE>();
    for x in tiles {
        // SAFETY: the caller's promise.
        unsafe { tile::<V, TILE>(panel, kind, x, sums) };
    }
    let (fours, rest) = rest.as_chunks::<4>();
    for x in fours {
        // SAFETY: the caller's promise.
        unsafe { tile::<V, 4>(panel, kind, x, sums) };
    }
    let (pairs, rest) = rest.as_chunks::<2>();
    for x in pairs {
        // SAFETY: the caller's promise.
        unsafe { tile::<V, 2>(panel, kind, x, sums) };
    }
    for x in rest.as_chunks::<1>().0 {
        // SAFETY: the caller's promise.
        unsafe { tile::<V, 1>(panel, kind, x, sums) };
    }
}

#[inline(always)]
unsafe fn tile<V: Words, const X: usize>(
    panel: &Panel,
    (runs, minima): Kind,
    x: &[ActivationBlock; X],
    sums: &mut [[f32; PANEL]],
) {
    assert!(x.iter().all(|x| x.place.1 < sums.len()));
    let sums = sums.as_mut_ptr();
    let sums: [_; X] = std::array::from_fn(|j| sums.wrapping_add(x[j].place.1).cast::<f32>());
    for column in (0..PANEL).step_by(GROUP * V::LANES) {
        // SAFETY: the caller's promise; the panel has the words of all pairs for `GROUP` registers
        // from the column on, and each row of sums a place for every column.
        unsafe {
            let words = panel.words.as_ptr().add(column * DEPTH / 2);
            let mut totals = [[V::Floats::zero(); GROUP]; X];
            for first in (panel.runs.0..panel.runs.1).step_by(runs) {
                let mut products = [[V::zero(); GROUP]; X];
                let pair = first % RUNS * PAIRS;
                for pair in pair..pair + runs * PAIRS {
                    let words = words.add(pair * GROUP * V::LANES);
                    let w: [V; GROUP] = std::array::from_fn(|i| V::load(words.add(i * V::LANES)));
                    for j in 0..X {
                        let x = V::splat_pair(*x[j].quants.as_ptr().add(pair));
                        for i in 0..GROUP {
                            products[j][i] = products[j][i].add_products(w[i], x);
                        }
                    }
                }
                let sum = (first, runs, minima);
                for j in 0..X {
                    for i in 0..GROUP {
                        let column = column + i * V::LANES;
                        let sums = (products[j][i], totals[j][i]);
                        totals[j][i] = panel.scales.add_sum(sum, column, &x[j], sums);
                    }
                }
            }
            for j in 0..X {
                let scale = V::Floats::splat(x[j].scale);
                for (i, total) in totals[j].into_iter().enumerate() {
                    let sum = sums[j].add(column + i * V::LANES);
                    total.multiply_add(scale, V::Floats::load(sum)).store(sum);
                }
            }
        }
    }
}
