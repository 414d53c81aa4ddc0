//! Eight lanes of AVX2, with FMA and F16C.

use std::arch::x86_64::*;

use super::{Unpack, Vector};

impl Vector for __m256 {
    const LANES: usize = 8;
    const FUSED: bool = true;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_add_ps(self, b) }
    }

    #[inline(always)]
    unsafe fn subtract(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_sub_ps(self, b) }
    }

    #[inline(always)]
    unsafe fn divide(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_div_ps(self, b) }
    }

    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_min_ps(self, b) }
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(self));
            let one = _mm256_castps_si256(_mm256_set1_ps(1.0));
            _mm256_castsi256_ps(_mm256_add_epi32(exponent, one))
        }
    }

    #[inline(always)]
    unsafe fn multiply(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_mul_ps(self, b) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_fmadd_ps(self, b, c) }
    }

    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_max_ps(self, b) }
    }

    #[inline(always)]
    fn prefetch(from: *const u8) {
        // SAFETY: a hint that every processor of the target knows, for any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    fn prefetch_second(from: *const u8) {
        // SAFETY: as above.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }

    #[inline(always)]
    unsafe fn sums<const N: usize>(registers: [Self; N]) -> [f32; N] {
        let mut sums = [0.0; N];
        for (register, sum) in registers.into_iter().zip(&mut sums) {
            // SAFETY: the caller's promise.
            unsafe {
                let high = _mm256_extractf128_ps::<1>(register);
                let quarters = _mm_add_ps(_mm256_castps256_ps128(register), high);
                let pairs = _mm_add_ps(quarters, _mm_movehl_ps(quarters, quarters));
                *sum = _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
            }
        }
        sums
    }
}

impl Unpack for __m256 {
    type Ints = __m256i;
    /// Scale and offset.
    type Nibbles = [__m256; 2];
    /// Scale and offset.
    type Fives = [__m256; 2];

    #[inline(always)]
    unsafe fn splat_f16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_cvtph_ps(_mm_set1_epi16(from.read_unaligned().cast_signed())) }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits))
        }
    }

    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())) }
    }

    #[inline(always)]
    unsafe fn shift_right(ints: __m256i, bits: u32) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { _mm256_srl_epi32(ints, _mm_cvtsi32_si128(bits.cast_signed())) }
    }

    #[inline(always)]
    unsafe fn six_bits(low: __m256i, high: __m256i) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let high = _mm256_and_si256(_mm256_slli_epi32::<4>(high), _mm256_set1_epi32(48));
            let low = _mm256_and_si256(low, _mm256_set1_epi32(15));
            _mm256_cvtepi32_ps(_mm256_or_si256(low, high))
        }
    }

    #[inline(always)]
    unsafe fn nibble_map(scale: __m256, offset: __m256) -> [__m256; 2] {
        [scale, offset]
    }

    #[inline(always)]
    unsafe fn map_nibbles([scale, offset]: [__m256; 2], ints: __m256i) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let quants = _mm256_and_si256(ints, _mm256_set1_epi32(15));
            _mm256_fmadd_ps(_mm256_cvtepi32_ps(quants), scale, offset)
        }
    }

    #[inline(always)]
    unsafe fn five_map(scale: __m256, offset: __m256) -> [__m256; 2] {
        // SAFETY: the caller's promise.
        unsafe { Self::nibble_map(scale, offset) }
    }

    #[inline(always)]
    unsafe fn map_fives([scale, offset]: [__m256; 2], ints: __m256i, fifth: u32) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let lanes = _mm256_setr_epi32(4, 3, 2, 1, 0, -1, -2, -3);
            // The bit of each lane at place 4, from a left shift or a right one.
            let fifth = _mm256_set1_epi32((fifth & 0xff).cast_signed());
            let left = _mm256_sllv_epi32(fifth, lanes);
            let right = _mm256_srlv_epi32(fifth, _mm256_sub_epi32(_mm256_setzero_si256(), lanes));
            let fifth = _mm256_and_si256(_mm256_or_si256(left, right), _mm256_set1_epi32(16));
            let low = _mm256_and_si256(ints, _mm256_set1_epi32(15));
            let quants = _mm256_cvtepi32_ps(_mm256_or_si256(low, fifth));
            _mm256_fmadd_ps(quants, scale, offset)
        }
    }

    #[inline(always)]
    unsafe fn bit_plane(from: *const u8, bit: usize) -> u32 {
        // SAFETY: the caller's promise.
        unsafe {
            let bytes = _mm256_loadu_si256(from.cast());
            // Every byte's bit at the top; what comes from the byte beside it is below.
            let shift = _mm_cvtsi32_si128((7 - bit as u32).cast_signed());
            _mm256_movemask_epi8(_mm256_sll_epi16(bytes, shift)).cast_unsigned()
        }
    }
}
