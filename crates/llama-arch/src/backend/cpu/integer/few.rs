//! A few activation rows against packed weights, unpacked in registers: as many weight rows side
//! by side as a register has lanes, each multiplied along its channels.

use std::arch::x86_64::*;

use super::super::matmul::RowTask;
use super::super::vector::Vector;
use super::activations::{ActivationBlock, Activations, Planes, RUN};
use super::formats::IntegerFormat;
use super::products::{RUNS, Scales, Units, finish, half, row_pointers};
use super::words::Words;
use super::{MAX_FEW, MAX_LANES};

/// All rows of a task, of which there are up to [`MAX_FEW`] of activations.
///
/// # Safety
/// The instruction set of `V` must be there.
#[inline(always)]
pub(super) unsafe fn run<V: Words, F: IntegerFormat>(task: &RowTask<'_>, x: &Activations) {
    let n_rows = task.bytes.len() / task.row_bytes;
    // SAFETY: the caller's promise.
    let mut group = unsafe { Group::<V>::new() };
    for first in (0..n_rows).step_by(V::LANES) {
        let rows = row_pointers::<MAX_LANES>(task, first);
        let mut sums = [[0.0; MAX_LANES]; MAX_FEW];
        for unit in 0..task.row_len.div_ceil(Units::<F>::RUNS * RUN) {
            let ahead = V::LANES * (task.row_bytes + unit * Units::<F>::BYTES);
            group.ahead = rows[0].wrapping_add(ahead);
            let n_runs = Units::<F>::RUNS.min(task.row_len / RUN - unit * Units::<F>::RUNS);
            // SAFETY: the instruction set is the caller's promise; rows are whole units but for the
            // last one, which has `n_runs`.
            unsafe {
                group.read::<F>(&rows, (unit, n_runs));
                for first in (0..n_runs).step_by(RUNS) {
                    let runs = (first, RUNS.min(n_runs - first));
                    let block = unit * Units::<F>::RUNS / RUNS + first / RUNS;
                    let ([x, residuals], [planes, of_residuals]) =
                        (x.blocks(block), x.planes(block));
                    match x.len() {
                        1 => group.multiply::<F, 1>(runs, rows_of(x, planes), &mut sums),
                        2 => group.multiply::<F, 2>(runs, rows_of(x, planes), &mut sums),
                        3 => group.multiply::<F, 3>(runs, rows_of(x, planes), &mut sums),
                        _ => group.multiply::<F, MAX_FEW>(runs, rows_of(x, planes), &mut sums),
                    }
                    for x in residuals.iter().zip(of_residuals) {
                        group.multiply::<F, 1>(runs, [x], &mut sums);
                    }
                }
            }
        }
        let n = V::LANES.min(n_rows - first);
        finish(task, x, (first, n), &sums);
    }
}

/// 128 channels of a row of activations.
type Row<'a> = (&'a ActivationBlock, &'a Planes);

/// The first `X` rows.
#[inline(always)]
fn rows_of<'a, const X: usize>(x: &'a [ActivationBlock], planes: &'a [Planes]) -> [Row<'a>; X] {
    std::array::from_fn(|row| (&x[row], &planes[row]))
}

/// A unit of as many rows as a register has lanes.
struct Group<V> {
    units: [*const u8; MAX_LANES],
    /// What is asked for meanwhile: rows lie one after the other, and the next ones are fetched in
    /// order of address, a piece for each row of this group. All at once, or row by row, memory
    /// would answer at half the speed.
    ahead: *const u8,
    /// Integer scales of each half of the unit: eight lanes.
    factors: [[__m256i; MAX_LANES]; 2],
    scales: Scales,
    /// Of each row of activations and each of weights, before lanes are added up.
    products: [[V; MAX_LANES]; MAX_FEW],
}

impl<V: Words> Group<V> {
    /// # Safety
    /// As [`Words`].
    #[inline(always)]
    unsafe fn new() -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            Self {
                units: [std::ptr::null(); MAX_LANES],
                ahead: std::ptr::null(),
                factors: [[_mm256_setzero_si256(); MAX_LANES]; 2],
                scales: Scales::ZEROS,
                products: [[V::zero(); MAX_LANES]; MAX_FEW],
            }
        }
    }

    /// Points at a unit of the rows, of which there are `n_runs` runs, and reads its scales.
    ///
    /// # Safety
    /// As [`IntegerFormat`], for every row.
    #[inline(always)]
    unsafe fn read<F: IntegerFormat>(
        &mut self,
        rows: &[*const u8; MAX_LANES],
        (unit, n_runs): (usize, usize),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut minima = [[0; MAX_LANES]; 2];
            for lane in 0..V::LANES {
                self.units[lane] = rows[lane].wrapping_add(unit * Units::<F>::BYTES);
                if F::MINIMA {
                    [minima[0][lane], minima[1][lane]] = F::minima(self.units[lane]);
                }
                if F::SCALED {
                    let scales = F::scales(self.units[lane]);
                    for (index, factors) in self.factors.iter_mut().enumerate() {
                        factors[lane] = _mm256_cvtepi8_epi32(half(scales, index));
                    }
                }
            }
            self.scales.read::<V, F>(&self.units, &minima, (n_runs, 0));
        }
    }

    /// Adds the products of so many runs from `first` on.
    ///
    /// # Safety
    /// As [`IntegerFormat`], for every row.
    #[inline(always)]
    unsafe fn multiply<F: IntegerFormat, const X: usize>(
        &mut self,
        (first, n_runs): (usize, usize),
        x: [Row<'_>; X],
        sums: &mut [[f32; MAX_LANES]; MAX_FEW],
    ) {
        // SAFETY: the caller's promise; columns are the lanes of one register.
        unsafe {
            let totals = if F::SCALED {
                self.scaled::<F, X>(first, x)
            } else {
                self.unscaled::<F, X>(n_runs, x)
            };
            for (total, (x, _)) in totals.into_iter().zip(x) {
                let sums = sums[x.place.1].as_mut_ptr();
                let sum = total.multiply_add(V::Floats::splat(x.scale), V::Floats::load(sums));
                sum.store(sums);
            }
        }
    }

    /// Products of 128 channels with integer scales, from run `first` on.
    #[inline(always)]
    unsafe fn scaled<F: IntegerFormat, const X: usize>(
        &mut self,
        first: usize,
        x: [Row<'_>; X],
    ) -> [V::Floats; X] {
        // SAFETY: the caller's promise.
        unsafe {
            let bytes = Units::<F>::BYTES / 2;
            let ahead = self.ahead.wrapping_add(first / RUNS * V::LANES * bytes);
            for lane in 0..V::LANES {
                Self::prefetch(ahead, lane, bytes);
                let factors = self.factors[first / RUNS][lane];
                let mut sums = [V::zero(); X];
                if F::OFFSET != 0 {
                    let offset = _mm256_set1_epi32(-i32::from(F::OFFSET));
                    let factors = _mm256_mullo_epi32(factors, offset);
                    for (sum, (_, x)) in sums.iter_mut().zip(x) {
                        let sixteens = _mm256_loadu_si256(x.sixteens.as_ptr().cast());
                        *sum = V::from_lanes(_mm256_mullo_epi32(factors, sixteens));
                    }
                }
                for register in 0..RUNS / V::RUNS {
                    let run = register * V::RUNS;
                    let weights = self.weights::<F>(lane, first + run, first + RUNS);
                    let factors = V::spread_lanes(factors, register);
                    for (sum, (_, x)) in sums.iter_mut().zip(x) {
                        let products = multiply_planes(weights, x, run);
                        *sum = sum.add_lanes(products.multiply_lanes(factors));
                    }
                }
                for (products, sum) in self.products.iter_mut().zip(sums) {
                    products[lane] = sum;
                }
            }
            let sum = (first, RUNS, F::MINIMA);
            let mut totals = [V::Floats::zero(); X];
            for ((products, (x, _)), total) in self.products.iter().zip(x).zip(&mut totals) {
                *total = self.scales.add_sum(sum, 0, x, (V::sums(products), *total));
            }
            totals
        }
    }

    /// Products of runs with f32 scales of their own.
    #[inline(always)]
    unsafe fn unscaled<F: IntegerFormat, const X: usize>(
        &mut self,
        n_runs: usize,
        x: [Row<'_>; X],
    ) -> [V::Floats; X] {
        // SAFETY: the caller's promise.
        unsafe {
            let mut totals = [V::Floats::zero(); X];
            for first in (0..n_runs).step_by(V::RUNS) {
                let bytes = Units::<F>::BYTES * V::RUNS / RUNS;
                let ahead = self.ahead.wrapping_add(first / V::RUNS * V::LANES * bytes);
                for lane in 0..V::LANES {
                    Self::prefetch(ahead, lane, bytes);
                    let weights = self.weights::<F>(lane, first, n_runs);
                    for (products, (_, x)) in self.products.iter_mut().zip(x) {
                        products[lane] = multiply_planes(weights, x, first);
                    }
                }
                for ((products, (x, planes)), total) in self.products.iter().zip(x).zip(&mut totals)
                {
                    let sums = V::run_sums(products).into_iter().take(V::RUNS);
                    for (run, sum) in (first..n_runs).zip(sums) {
                        let sixteens = planes.sixteens[2 * run] + planes.sixteens[2 * run + 1];
                        let offset = sixteens * i32::from(F::OFFSET);
                        let sum = sum.subtract_lanes(V::splat(offset));
                        let place = (run, 1, F::MINIMA);
                        *total = self.scales.add_sum(place, 0, x, (sum, *total));
                    }
                }
            }
            totals
        }
    }

    /// Asks for the `lane`-th of as many pieces of memory as there are lanes.
    #[inline(always)]
    fn prefetch(ahead: *const u8, lane: usize, bytes: usize) {
        for line in (0..bytes).step_by(64) {
            V::Floats::prefetch(ahead.wrapping_add(lane * bytes + line));
        }
    }

    /// A register of the quants of a row from a run on, which is before `end`.
    #[inline(always)]
    unsafe fn weights<F: IntegerFormat>(&self, lane: usize, run: usize, end: usize) -> V {
        // SAFETY: the caller's promise.
        unsafe {
            let second = (run + V::RUNS - 1).min(end - 1);
            let unit = self.units[lane];
            V::bytes(
                Units::<F>::quants::<V>(unit, run),
                Units::<F>::quants::<V>(unit, second),
            )
        }
    }
}

/// Products of a register of quants with activations from a run on.
#[inline(always)]
unsafe fn multiply_planes<V: Words>(weights: V, x: &Planes, run: usize) -> V {
    // SAFETY: the caller's promise; the runs of a register end within the block.
    unsafe {
        let high = V::load(x.high[run * RUN..].as_ptr().cast());
        let low = V::load(x.low[run * RUN..].as_ptr().cast());
        let sums = V::zero().add_byte_products(weights, high);
        sums.times_64().add_byte_products(weights, low)
    }
}
