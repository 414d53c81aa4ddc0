//! Registers of integers that multiply in lanes of 32 bits: pairs of words, or fours of bytes.

mod avx2;
mod avx512;

use std::arch::x86_64::*;

use super::super::vector::Vector;
use super::MAX_LANES;

/// A register of words, two to a lane, or of bytes, four to a lane.
///
/// Safety: every function needs the instruction set of its type on this machine, AVX2 besides, and
/// a pointer must be good for [`Words::LANES`] lanes.
pub(super) trait Words: Copy {
    /// As many lanes of f32.
    type Floats: Vector;
    /// Pairs of words in one register.
    const LANES: usize;
    /// Registers that hold 32 words.
    const PARTS: usize = 16 / Self::LANES;
    /// Runs of 32 bytes that a register holds.
    const RUNS: usize = Self::LANES / 8;
    unsafe fn zero() -> Self;
    unsafe fn load(from: *const [i16; 2]) -> Self;
    unsafe fn store(self, to: *mut [i16; 2]);
    unsafe fn splat(lane: i32) -> Self;
    /// One pair in every lane.
    #[inline(always)]
    unsafe fn splat_pair([low, high]: [i16; 2]) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::splat(i32::from(low) & 0xffff | i32::from(high) << 16) }
    }
    /// The `part`-th of [`Words::PARTS`] of 32 signed bytes.
    unsafe fn widen(bytes: __m256i, part: usize) -> Self;
    /// Eight words, each repeated sixteen times: the `register`-th register of that.
    unsafe fn spread(words: __m128i, register: usize) -> Self;
    /// Products that fit 16 bits.
    unsafe fn multiply(self, b: Self) -> Self;
    /// `self + a * b` in each lane, over both words.
    unsafe fn add_products(self, a: Self, b: Self) -> Self;
    /// Lanes of 32 bits as numbers.
    unsafe fn to_floats(self) -> Self::Floats;
    /// Byte `index` of every lane, as the pair (byte, 512 byte): it is below 64.
    unsafe fn byte_pairs(bytes: *const u32, index: usize) -> Self;
    /// All ones in every byte whose bit is set.
    unsafe fn bytes_of_bits(bits: u32) -> __m256i;
    /// Two runs of 32 bytes, or the first one.
    unsafe fn bytes(first: __m256i, second: __m256i) -> Self;
    /// `self + a * b` in each lane, over four bytes: those of `a` are unsigned, those of `b` from
    /// -64 to 63.
    unsafe fn add_byte_products(self, a: Self, b: Self) -> Self;
    /// Lanes times 64.
    unsafe fn times_64(self) -> Self;
    unsafe fn add_lanes(self, b: Self) -> Self;
    unsafe fn subtract_lanes(self, b: Self) -> Self;
    unsafe fn multiply_lanes(self, b: Self) -> Self;
    /// Eight lanes, each four times: the `register`-th register of that.
    unsafe fn spread_lanes(lanes: __m256i, register: usize) -> Self;
    /// Eight lanes, and zeros.
    unsafe fn from_lanes(lanes: __m256i) -> Self;
    /// Makes rows of lanes columns; of the registers only as many count as one has lanes.
    unsafe fn transpose(square: &mut [Self; MAX_LANES]);
    /// Lane `i` is the sum of the lanes of the `i`-th register.
    unsafe fn sums(square: &[Self; MAX_LANES]) -> Self;
    /// The same for the first eight and the second eight lanes, if there are so many.
    unsafe fn run_sums(square: &[Self; MAX_LANES]) -> [Self; 2];
}
