//! Sixteen lanes of AVX-512.

use std::arch::x86_64::*;

use super::{Unpack, Vector};

impl Vector for __m512 {
    const LANES: usize = 16;
    const FUSED: bool = true;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { _mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_add_ps(self, b) }
    }

    #[inline(always)]
    unsafe fn subtract(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_sub_ps(self, b) }
    }

    #[inline(always)]
    unsafe fn divide(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_div_ps(self, b) }
    }

    #[inline(always)]
    unsafe fn min(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_min_ps(self, b) }
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(self));
            let one = _mm512_castps_si512(_mm512_set1_ps(1.0));
            _mm512_castsi512_ps(_mm512_add_epi32(exponent, one))
        }
    }

    #[inline(always)]
    unsafe fn multiply(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_mul_ps(self, b) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_fmadd_ps(self, b, c) }
    }

    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_max_ps(self, b) }
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
        let (fours, rest) = registers.as_chunks::<4>();
        // SAFETY: the caller's promise; four values are written to places for four.
        unsafe {
            for (four, sums) in fours.iter().zip(sums.as_chunks_mut::<4>().0) {
                _mm_storeu_ps(sums.as_mut_ptr(), sum_four(*four));
            }
            let rest_sums = sums.as_chunks_mut::<4>().1;
            for (register, sum) in rest.iter().zip(rest_sums) {
                let zero = _mm512_setzero_ps();
                *sum = _mm_cvtss_f32(sum_four([*register, zero, zero, zero]));
            }
        }
        sums
    }
}

/// The sums of four registers: each quarter of a register holds what is left of one of them.
#[inline(always)]
unsafe fn sum_four([a, b, c, d]: [__m512; 4]) -> __m128 {
    // SAFETY: the caller has AVX-512.
    unsafe {
        let halves = |a, b| {
            let low = _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b);
            let high = _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b);
            _mm512_add_ps(low, high)
        };
        let (ab, cd) = (halves(a, b), halves(c, d));
        let even = _mm512_shuffle_f32x4::<0b10_00_10_00>(ab, cd);
        let odd = _mm512_shuffle_f32x4::<0b11_01_11_01>(ab, cd);
        let quarters = _mm512_add_ps(even, odd);
        let swapped = _mm512_permute_ps::<0b01_00_11_10>(quarters);
        let pairs = _mm512_add_ps(quarters, swapped);
        let sums = _mm512_add_ps(pairs, _mm512_permute_ps::<0b10_11_00_01>(pairs));
        let firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, sums))
    }
}

impl Unpack for __m512 {
    type Ints = __m512i;
    /// A table of the sixteen values.
    type Nibbles = __m512;
    /// Two tables: without and with the fifth bit.
    type Fives = [__m512; 2];

    #[inline(always)]
    unsafe fn splat_f16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_cvtph_ps(_mm256_set1_epi16(from.read_unaligned().cast_signed())) }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits))
        }
    }

    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn shift_right(ints: __m512i, bits: u32) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { _mm512_srl_epi32(ints, _mm_cvtsi32_si128(bits.cast_signed())) }
    }

    #[inline(always)]
    unsafe fn six_bits(low: __m512i, high: __m512i) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let high = _mm512_and_si512(_mm512_slli_epi32::<4>(high), _mm512_set1_epi32(48));
            // low & 15 | high
            let bits = _mm512_ternarylogic_epi32::<0xf8>(high, low, _mm512_set1_epi32(15));
            _mm512_cvtepi32_ps(bits)
        }
    }

    #[inline(always)]
    unsafe fn nibble_map(scale: __m512, offset: __m512) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_fmadd_ps(first_sixteen(), scale, offset) }
    }

    #[inline(always)]
    unsafe fn map_nibbles(map: __m512, ints: __m512i) -> Self {
        // SAFETY: the caller's promise. The permutation looks at four bits of every index.
        unsafe { _mm512_permutexvar_ps(ints, map) }
    }

    #[inline(always)]
    unsafe fn five_map(scale: __m512, offset: __m512) -> [__m512; 2] {
        // SAFETY: the caller's promise.
        unsafe {
            let next_sixteen = _mm512_add_ps(first_sixteen(), _mm512_set1_ps(16.0));
            [first_sixteen(), next_sixteen].map(|quants| _mm512_fmadd_ps(quants, scale, offset))
        }
    }

    #[inline(always)]
    unsafe fn map_fives([low, high]: [__m512; 2], ints: __m512i, fifth: u32) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let without = _mm512_permutexvar_ps(ints, low);
            _mm512_mask_permutexvar_ps(without, fifth as u16, ints, high)
        }
    }

    #[inline(always)]
    unsafe fn bit_plane(from: *const u8, bit: usize) -> u32 {
        // SAFETY: the caller's promise.
        unsafe {
            let bytes = _mm256_loadu_si256(from.cast());
            _mm256_test_epi8_mask(bytes, _mm256_set1_epi8((1_u8 << bit).cast_signed()))
        }
    }
}

#[inline(always)]
unsafe fn first_sixteen() -> __m512 {
    // SAFETY: the caller has AVX-512.
    unsafe {
        _mm512_setr_ps(
            0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0,
        )
    }
}
