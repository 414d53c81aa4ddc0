//! What products with few and with many rows share: the scales of weights, and the order of sums.
//!
//! Weights are read in units: a block of a K format, or four of the other formats' blocks.

use std::arch::x86_64::{__m128i, __m256i, _mm_srli_si128};

use super::super::matmul::{RowTask, store};
use super::super::vector::Vector;
use super::activations::{ActivationBlock, Activations, DEPTH, RUN};
use super::formats::IntegerFormat;
use super::words::Words;
use super::{MAX_LANES, PANEL};

/// Runs of 32 in a block of 128 channels.
pub(super) const RUNS: usize = DEPTH / RUN;
/// Runs in a unit, at most.
const MAX_RUNS: usize = 2 * RUNS;

/// How the weights of a format fall into units and sums.
pub(super) struct Units<F>(std::marker::PhantomData<F>);

impl<F: IntegerFormat> Units<F> {
    /// Runs in a unit.
    pub(super) const RUNS: usize = if F::WEIGHTS > DEPTH { MAX_RUNS } else { RUNS };
    /// Bytes of a unit.
    pub(super) const BYTES: usize = Self::RUNS * RUN / F::WEIGHTS * F::BYTES;

    /// The block of a run.
    #[inline(always)]
    fn block(unit: *const u8, run: usize) -> *const u8 {
        unit.wrapping_add(run * RUN / F::WEIGHTS * F::BYTES)
    }

    /// The quants of a run.
    ///
    /// # Safety
    /// As [`IntegerFormat`].
    #[inline(always)]
    pub(super) unsafe fn quants<V: Words>(unit: *const u8, run: usize) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { F::quants::<V>(Self::block(unit, run), run % (F::WEIGHTS / RUN)) }
    }
}

/// Eight of sixteen bytes, as the lowest.
#[inline(always)]
pub(super) unsafe fn half(bytes: __m128i, index: usize) -> __m128i {
    // SAFETY: the caller has AVX2.
    unsafe {
        match index {
            0 => bytes,
            _ => _mm_srli_si128::<8>(bytes),
        }
    }
}

/// The rows of a task from `first` on; beyond its end the last one again.
#[inline(always)]
pub(super) fn row_pointers<const N: usize>(task: &RowTask<'_>, first: usize) -> [*const u8; N] {
    let last = task.bytes.len() / task.row_bytes - 1;
    std::array::from_fn(|row| task.bytes[(first + row).min(last) * task.row_bytes..].as_ptr())
}

/// Stores the first `n` of the `[rows][N]` sums of the weight rows from `first` on.
#[inline(always)]
pub(super) fn finish<const N: usize>(
    task: &RowTask<'_>,
    x: &Activations,
    (first, n): (usize, usize),
    sums: &[[f32; N]],
) {
    for (row, (sums, scale)) in sums.iter().zip(x.row_scales()).enumerate() {
        let sums = sums.map(|sum| sum * scale);
        store(task, row, task.first_output + first, &sums, n);
    }
}

/// The scales of a unit of up to [`PANEL`] rows.
#[repr(C, align(64))]
pub(super) struct Scales {
    scales: [[f32; PANEL]; RUNS],
    minimum_scales: [[f32; PANEL]; RUNS],
    /// Pairs (minimum, 512 minimum).
    minima: [[[i16; 2]; PANEL]; MAX_RUNS],
}

impl Scales {
    pub(super) const ZEROS: Self = Self {
        scales: [[0.0; PANEL]; RUNS],
        minimum_scales: [[0.0; PANEL]; RUNS],
        minima: [[[0; 2]; PANEL]; MAX_RUNS],
    };

    /// Reads those of a register's lanes, to columns from `at` on: of `n_runs` runs.
    ///
    /// # Safety
    /// As [`IntegerFormat`]; `at` is a multiple of the lanes below [`PANEL`].
    #[inline(always)]
    pub(super) unsafe fn read<V: Words, F: IntegerFormat>(
        &mut self,
        units: &[*const u8; MAX_LANES],
        minima: &[[u32; MAX_LANES]; 2],
        (n_runs, at): (usize, usize),
    ) {
        // SAFETY: the caller's promise; sixteen values are there for up to as many lanes.
        unsafe {
            for run in (0..n_runs).step_by(F::WEIGHTS / RUN) {
                let (mut scales, mut minimum_scales) = ([0; MAX_LANES], [0; MAX_LANES]);
                for lane in 0..V::LANES {
                    let block = Units::<F>::block(units[lane], run);
                    scales[lane] = block.add(F::SCALE).cast::<u16>().read_unaligned();
                    if F::MINIMA {
                        // K formats subtract minima.
                        let sign = if F::SCALED { 1 << 15 } else { 0 };
                        let minimum = block.add(F::SCALE + 2).cast::<u16>();
                        minimum_scales[lane] = minimum.read_unaligned() ^ sign;
                    }
                }
                let scales = V::Floats::load_f16(scales.as_ptr());
                scales.store(self.scales[run].as_mut_ptr().add(at));
                if F::MINIMA {
                    let scales = V::Floats::load_f16(minimum_scales.as_ptr());
                    scales.store(self.minimum_scales[run].as_mut_ptr().add(at));
                }
            }
            if F::MINIMA {
                for run in 0..Units::<F>::RUNS {
                    let pairs = V::byte_pairs(minima[run / RUNS].as_ptr(), run % RUNS);
                    pairs.store(self.minima[run].as_mut_ptr().add(at));
                }
            }
        }
    }

    /// `total + scale * sum + minimum scale * (minima * sums of quants)` for a register of columns
    /// and the sum of `runs` runs of the unit from `first` on. Whether there are `minima` is known
    /// to the compiler.
    ///
    /// # Safety
    /// As [`Words`]; the columns are below [`PANEL`].
    #[inline(always)]
    pub(super) unsafe fn add_sum<V: Words>(
        &self,
        (first, runs, minima): (usize, usize, bool),
        column: usize,
        x: &ActivationBlock,
        (sum, total): (V, V::Floats),
    ) -> V::Floats {
        // A unit of several sums of 128 channels has one scale for all of them.
        let scale = if runs == 1 { first } else { 0 };
        // SAFETY: the caller's promise.
        unsafe {
            let factor = V::Floats::load(self.scales[scale].as_ptr().add(column));
            let total = sum.to_floats().multiply_add(factor, total);
            if !minima {
                return total;
            }
            let mut sum = V::zero();
            // Pointers: the compiler would check every index again.
            let minima = self.minima.as_ptr().add(first);
            let sums = x.sums.as_ptr().add(first % RUNS);
            for run in 0..runs {
                let minima = V::load(minima.add(run).cast::<[i16; 2]>().add(column));
                sum = sum.add_products(minima, V::splat(*sums.add(run)));
            }
            let factor = V::Floats::load(self.minimum_scales[scale].as_ptr().add(column));
            sum.to_floats().multiply_add(factor, total)
        }
    }
}
