//! Sixteen pairs of AVX-512, multiplied and added by one instruction of VNNI.

use std::arch::x86_64::*;

use super::{MAX_LANES, Words};

impl Words for __m512i {
    type Floats = __m512;
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn load(from: *const [i16; 2]) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut [i16; 2]) {
        // SAFETY: the caller's promise.
        unsafe { _mm512_storeu_si512(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn splat(lane: i32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_set1_epi32(lane) }
    }

    #[inline(always)]
    unsafe fn widen(bytes: __m256i, _part: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_cvtepi8_epi16(bytes) }
    }

    #[inline(always)]
    unsafe fn spread(words: __m128i, register: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let first = _mm512_set1_epi16((2 * register as u16).cast_signed());
            let index = _mm512_mask_add_epi16(first, 0xffff_0000, first, _mm512_set1_epi16(1));
            _mm512_permutexvar_epi16(index, _mm512_castsi128_si512(words))
        }
    }

    #[inline(always)]
    unsafe fn multiply(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_mullo_epi16(self, b) }
    }

    #[inline(always)]
    unsafe fn add_products(self, a: Self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_dpwssd_epi32(self, a, b) }
    }

    #[inline(always)]
    unsafe fn to_floats(self) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_cvtepi32_ps(self) }
    }

    #[inline(always)]
    unsafe fn byte_pairs(bytes: *const u32, index: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let shift = _mm_cvtsi32_si128((8 * index as u32).cast_signed());
            let lanes = _mm512_srl_epi32(_mm512_loadu_si512(bytes.cast()), shift);
            let byte = _mm512_and_si512(lanes, _mm512_set1_epi32(0xff));
            _mm512_or_si512(byte, _mm512_slli_epi32::<25>(byte))
        }
    }

    #[inline(always)]
    unsafe fn bytes_of_bits(bits: u32) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { _mm256_movm_epi8(bits) }
    }

    #[inline(always)]
    unsafe fn bytes(first: __m256i, second: __m256i) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), second) }
    }

    #[inline(always)]
    unsafe fn add_byte_products(self, a: Self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_dpbusd_epi32(self, a, b) }
    }

    #[inline(always)]
    unsafe fn times_64(self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_slli_epi32::<6>(self) }
    }

    #[inline(always)]
    unsafe fn add_lanes(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_add_epi32(self, b) }
    }

    #[inline(always)]
    unsafe fn subtract_lanes(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_sub_epi32(self, b) }
    }

    #[inline(always)]
    unsafe fn multiply_lanes(self, b: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_mullo_epi32(self, b) }
    }

    #[inline(always)]
    unsafe fn spread_lanes(lanes: __m256i, register: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let quarters = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
            let first = _mm512_set1_epi32((4 * register as u32).cast_signed());
            let index = _mm512_add_epi32(quarters, first);
            _mm512_permutexvar_epi32(index, _mm512_castsi256_si512(lanes))
        }
    }

    #[inline(always)]
    unsafe fn from_lanes(lanes: __m256i) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm512_zextsi256_si512(lanes) }
    }

    #[inline(always)]
    unsafe fn transpose(r: &mut [Self; MAX_LANES]) {
        // SAFETY: the caller's promise.
        unsafe {
            for i in (0..16).step_by(2) {
                let [a, b] = [r[i], r[i + 1]];
                r[i] = _mm512_unpacklo_epi32(a, b);
                r[i + 1] = _mm512_unpackhi_epi32(a, b);
            }
            for i in (0..16).step_by(4) {
                let [a, b, c, d] = [r[i], r[i + 1], r[i + 2], r[i + 3]];
                r[i] = _mm512_unpacklo_epi64(a, c);
                r[i + 1] = _mm512_unpackhi_epi64(a, c);
                r[i + 2] = _mm512_unpacklo_epi64(b, d);
                r[i + 3] = _mm512_unpackhi_epi64(b, d);
            }
            // Quarters: first of four rows with the next four, then eight with eight.
            for i in [0, 1, 2, 3, 8, 9, 10, 11] {
                let [a, b] = [r[i], r[i + 4]];
                r[i] = _mm512_shuffle_i32x4::<0x88>(a, b);
                r[i + 4] = _mm512_shuffle_i32x4::<0xdd>(a, b);
            }
            for i in 0..8 {
                let [a, b] = [r[i], r[i + 8]];
                r[i] = _mm512_shuffle_i32x4::<0x88>(a, b);
                r[i + 8] = _mm512_shuffle_i32x4::<0xdd>(a, b);
            }
        }
    }

    #[inline(always)]
    unsafe fn sums(r: &[Self; MAX_LANES]) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let r: [_; 8] = std::array::from_fn(|i| {
                let [a, b] = [r[2 * i], r[2 * i + 1]];
                _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b))
            });
            let r: [_; 4] = std::array::from_fn(|i| {
                let [a, b] = [r[2 * i], r[2 * i + 1]];
                _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b))
            });
            let quarters = |a, b| {
                let even = _mm512_shuffle_i32x4::<0x88>(a, b);
                _mm512_add_epi32(even, _mm512_shuffle_i32x4::<0xdd>(a, b))
            };
            quarters(quarters(r[0], r[1]), quarters(r[2], r[3]))
        }
    }

    #[inline(always)]
    unsafe fn run_sums(r: &[Self; MAX_LANES]) -> [Self; 2] {
        // SAFETY: the caller's promise.
        unsafe {
            let mut halves = [[_mm512_setzero_si512(); 8]; 2];
            for i in 0..8 {
                halves[0][i] = _mm512_shuffle_i64x2::<0x44>(r[i], r[i + 8]);
                halves[1][i] = _mm512_shuffle_i64x2::<0xee>(r[i], r[i + 8]);
            }
            [sums_of_halves(&halves[0]), sums_of_halves(&halves[1])]
        }
    }
}

/// Lane `i` is the sum of the lower half of the `i`-th register, lane `8 + i` that of the upper.
#[inline(always)]
unsafe fn sums_of_halves(r: &[__m512i; 8]) -> __m512i {
    // SAFETY: the caller has AVX-512.
    unsafe {
        let mut pairs = [_mm512_setzero_si512(); 4];
        for i in 0..4 {
            let [a, b] = [r[2 * i], r[2 * i + 1]];
            pairs[i] = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        }
        let fours =
            |a, b| _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
        // Quarters: two of four sums over half of a row's lanes each.
        let (low, high) = (fours(pairs[0], pairs[1]), fours(pairs[2], pairs[3]));
        let even = _mm512_shuffle_i32x4::<0x88>(low, high);
        let sums = _mm512_add_epi32(even, _mm512_shuffle_i32x4::<0xdd>(low, high));
        _mm512_shuffle_i32x4::<0xd8>(sums, sums)
    }
}
